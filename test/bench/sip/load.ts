import { performance } from "node:perf_hooks";
import { processorMs, quantile } from "../processor-time.ts";
import type { BenchCaller, CallResult } from "./caller.ts";

const SDP =
  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
/** Granularity of the pace, in ms. */
const PACE_MS = 2;

/** What a run of calls cost and how it went. */
export interface Row {
  readonly calls: number;
  readonly completed: number;
  /** Processor time per call of each process that was asked about, in ms. */
  readonly processorMs: Readonly<Record<string, number>>;
  readonly answered: readonly number[];
  readonly ended: readonly number[];
}

/** Starts calls at a fixed rate, whatever becomes of the earlier ones, and waits for the last. */
export async function load(
  callers: readonly BenchCaller[],
  target: string,
  calls: number,
  rate: number,
): Promise<CallResult[]> {
  const results: Promise<CallResult>[] = [];
  const startedAt = performance.now();
  while (results.length < calls) {
    const due = Math.min(calls, Math.ceil(((performance.now() - startedAt) / 1_000) * rate));
    while (results.length < due) {
      const caller = callers[results.length % callers.length];
      if (!caller) throw new Error("nobody to call");
      results.push(caller.call(target, SDP));
    }
    await new Promise((done) => setTimeout(done, PACE_MS));
  }
  return Promise.all(results);
}

/** Runs a load and reads the processor time that named processes used meanwhile. */
export async function measure(
  processes: Readonly<Record<string, readonly number[]>>,
  run: () => Promise<CallResult[]>,
): Promise<Row> {
  const used = (): Record<string, number> =>
    Object.fromEntries(
      Object.entries(processes).map(([name, pids]) => [
        name,
        pids.reduce((sum, pid) => sum + processorMs(pid), 0),
      ]),
    );
  const before = used();
  const results = await run();
  const after = used();
  return {
    calls: results.length,
    completed: results.filter(({ endedMs }) => endedMs !== undefined).length,
    processorMs: Object.fromEntries(
      Object.keys(processes).map((name) => [
        name,
        ((after[name] ?? 0) - (before[name] ?? 0)) / results.length,
      ]),
    ),
    answered: results.flatMap(({ answeredMs }) => answeredMs ?? []),
    ended: results.flatMap(({ endedMs }) => endedMs ?? []),
  };
}

export const lostOf = (rows: readonly Row[]): number =>
  rows.reduce((sum, { calls, completed }) => sum + calls - completed, 0);

/** Median over the runs of the processor time of one kind of process, in ms a call. */
export const costOf = (rows: readonly Row[], name: string): number =>
  quantile(
    rows.map(({ processorMs: cost }) => cost[name] ?? NaN),
    0.5,
  );
