import type { Config } from "#common/config.ts";
import { loadCall } from "#state/call/stored-call.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { readTrace, type CallTrace } from "#state/trace/read-trace.ts";
import { callCardOf, findCall, ladderOf, type CallCard, type Ladder } from "#signaling/inspect/index.ts";
import { ASCII, drawLadder, UNICODE } from "./ladder/draw-ladder.ts";
import { printable } from "./printable.ts";
import { tell } from "./tell.ts";
import { withState } from "./with-state.ts";

export interface CallOptions {
  readonly ladder: boolean;
  readonly raw: boolean;
  readonly json: boolean;
  readonly ascii: boolean;
  readonly legs: readonly number[] | undefined;
  readonly width: number | undefined;
}

const AMBIGUOUS = 2;
const UNKNOWN = 3;
/** Narrower than this nothing can be read. */
const MIN_WIDTH = 60;
const USUAL_WIDTH = 80;

/** `crossband call`: one call, as a card, a ladder, messages or JSON. Resolves with the exit code. */
export function call(config: Config, name: string, options: CallOptions): Promise<number> {
  return withState(config, "call", async (redis) => {
    const found = await findCall(redis, name);
    if (found.outcome === "unknown") {
      tell(process.stderr, `crossband: no call ${name}: it has neither a record nor a trace (kept ${config.sip.trace.keepSeconds} s)`); // prettier-ignore
      return UNKNOWN;
    }
    if (found.outcome === "ambiguous") {
      tell(process.stderr, `crossband: ${name} is the beginning of several calls:`);
      for (const each of found.calls) tell(process.stderr, `  ${each}`);
      return AMBIGUOUS;
    }
    const traces = (await Promise.all(found.calls.map((each) => readTrace(redis, each)))).filter(
      (trace) => trace !== undefined,
    );
    const cards = (await Promise.all(found.calls.map((each) => readCard(redis, each)))).filter(
      (card) => card !== undefined,
    );
    for (const line of linesOf(found.calls, cards, traces, options)) tell(process.stdout, line);
    return 0;
  });
}

async function readCard(redis: RedisConnection, id: string): Promise<CallCard | undefined> {
  const stored = await loadCall(redis, id);
  return stored && callCardOf(id, stored);
}

function linesOf(
  calls: readonly string[],
  cards: readonly CallCard[],
  traces: readonly CallTrace[],
  options: CallOptions,
): string[] {
  if (options.json) return [JSON.stringify({ calls, cards, traces }, undefined, 2)];
  const ladder = ladderOf(traces);
  const head = headOf(calls, cards, ladder);
  const nothing = traces.length === 0 ? ["", "no messages of it are kept"] : [];
  if (options.raw) return [...head, ...nothing, ...rawOf(traces)];
  if (!options.ladder) return [...head, ...nothing];
  const { width, strokes } = terminal(options);
  return [...head, ...nothing, ...(traces.length === 0 ? [] : drawLadder(ladder, { width, strokes, legs: options.legs }))]; // prettier-ignore
}

function headOf(calls: readonly string[], cards: readonly CallCard[], ladder: Ladder): string[] {
  const started =
    ladder.startUs === 0 ? [] : [`began      ${new Date(ladder.startUs / 1_000).toISOString()}`];
  const rows = cards.map(
    ({ kind, from, to, state, worker, legs, unfinished }) =>
      `${kind === "-" ? "call      " : kind.padEnd(10)} ${from} to ${to}: ${state}${unfinished ? ", something under way" : ""}, ${legs} ${legs === 1 ? "leg" : "legs"}, last worked on by ${worker}`,
  );
  const gone = cards.length === 0 ? ["           its record is gone: the call is over"] : [];
  return [...calls.map((id) => `call       ${id}`), ...rows, ...gone, ...started];
}

function rawOf(traces: readonly CallTrace[]): string[] {
  const entries = traces.flatMap((trace) => trace.entries).sort((a, b) => a.atUs - b.atUs);
  return entries.flatMap((entry) => {
    const at = `${new Date(entry.atUs / 1_000).toISOString().slice(0, -1)}${String(entry.atUs % 1_000).padStart(3, "0")}Z`;
    if (entry.type === "mark")
      return ["", `--- ${at} ${entry.instance}: ${entry.mark} ${entry.detail}`.trimEnd()];
    const way =
      entry.direction === "in" ? `${entry.peer} -> ${entry.local}` : `${entry.local} -> ${entry.peer}`;
    const again = entry.again ? " again" : "";
    return [
      "",
      `--- ${at} ${entry.instance}: ${entry.transport} ${way}${again}`,
      ...entry.text.split(/\r?\n/).map(printable),
    ];
  });
}

function terminal({ ascii, width }: CallOptions) {
  const plain = ascii || !/UTF-?8/i.test(process.env["LC_ALL"] ?? process.env["LC_CTYPE"] ?? process.env["LANG"] ?? ""); // prettier-ignore
  const columns = width ?? (process.stdout.isTTY ? process.stdout.columns : USUAL_WIDTH);
  return { width: Math.max(MIN_WIDTH, columns), strokes: plain ? ASCII : UNICODE };
}
