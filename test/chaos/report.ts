import type { CallDetail } from "#signaling/calls/call/effect.ts";
import { detailsOf, durationError } from "./audit.ts";
import type { CutPoint } from "./cut-points.ts";
import type { Cutting } from "./run-point.ts";

/** What a point may do to calls, and what the product promises; a conversation that has begun is never lost. */
const BAR = { completed: 0.999, stallMs: 2_500, adoptionMs: 2_000 } as const;

export interface PointReport {
  readonly point: string;
  readonly title: string;
  readonly kind: string;
  readonly transport: string;
  readonly calls: number;
  /** Calls whose instance died at exactly the moment asked for. */
  readonly killed: number;
  readonly completed: number;
  readonly lost: readonly string[];
  /** Those of the lost that had been answered. */
  readonly lostConfirmed: number;
  /** Calls without a detail record, with more than one, and with one that is wrong. */
  readonly cdrMissing: number;
  readonly cdrDuplicated: number;
  readonly cdrWrongDuration: number;
  readonly longestStallMs: number;
  readonly medianStallMs: number;
  /** Longest time that a phone took to connect again; stalls are without it. */
  readonly longestAwayMs: number;
  /** Longest time from a death to the next commit on a call that was under way. */
  readonly longestAdoptionMs: number;
  readonly passed: boolean;
}

/** Judges the calls of one point. */
export function judge(
  { name, title, kind }: Pick<CutPoint, "name" | "title" | "kind">,
  transport: string,
  calls: readonly Cutting[],
  details: readonly CallDetail[],
): PointReport {
  const lost = calls.flatMap((call) => (call.lost === undefined ? [] : [call.lost]));
  const records = calls.map((call) => ({
    call,
    found: kind === "registration" ? [] : detailsOf(details, call),
  }));
  const count = (test: (row: (typeof records)[number]) => boolean): number =>
    kind === "registration" ? 0 : records.filter(test).length;
  const stalls = calls.map(({ stallMs }) => stallMs).toSorted((a, b) => a - b);
  const report = {
    point: name,
    title,
    kind,
    transport,
    calls: calls.length,
    killed: calls.filter(({ cut }) => cut).length,
    completed: calls.length - lost.length,
    lost,
    lostConfirmed: calls.filter(
      (call) => call.lost !== undefined && call.milestones.at("answered") !== undefined,
    ).length,
    cdrMissing: count(({ found }) => found.length === 0),
    cdrDuplicated: count(({ found }) => found.length > 1),
    cdrWrongDuration: count(({ call, found }) => found.some((detail) => durationError(call, detail) > 0)),
    longestStallMs: stalls.at(-1) ?? 0,
    medianStallMs: stalls[Math.floor(stalls.length / 2)] ?? 0,
    longestAwayMs: Math.max(0, ...calls.map(({ awayMs }) => awayMs)),
    longestAdoptionMs: Math.max(0, ...calls.map(({ adoptionMs }) => adoptionMs ?? 0)),
  };
  const passed =
    report.completed >= BAR.completed * report.calls &&
    report.lostConfirmed === 0 &&
    report.cdrMissing + report.cdrDuplicated + report.cdrWrongDuration === 0 &&
    report.longestStallMs < BAR.stallMs &&
    report.longestAdoptionMs < BAR.adoptionMs;
  return { ...report, passed };
}

const HEADS = ["cut point", "", "", "calls", "killed", "done", "lost", "CDR missing", "twice", "wrong", "stall ms (p50)", "longest", "back in", "adopted in", ""]; // prettier-ignore

/** The reports as a table for a terminal. */
export function tableOf(reports: readonly PointReport[]): string {
  const rows = reports.map((one) =>
    [
      one.title, one.kind, one.transport, one.calls, one.killed, one.completed, one.lost.length, one.cdrMissing, one.cdrDuplicated, one.cdrWrongDuration,
      one.medianStallMs, one.longestStallMs, one.longestAwayMs, one.longestAdoptionMs, one.passed ? "ok" : "MISSED",
    ].map(String),
  ); // prettier-ignore
  const widths = HEADS.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i < 3 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  return [line(HEADS), ...rows.map(line)].join("\n");
}
