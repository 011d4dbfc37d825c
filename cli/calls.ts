import type { Config } from "#common/config.ts";
import { scanCalls } from "#state/call/scan-calls.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { callCardOf, type CallCard } from "#signaling/inspect/index.ts";
import { printable } from "./printable.ts";
import { tableLine } from "./table-line.ts";
import { tell } from "./tell.ts";
import { withState } from "./with-state.ts";

export interface CallsOptions {
  readonly json: boolean;
  /** Repeat until interrupted. */
  readonly watch: boolean;
  /** Calls that are over but not yet forgotten, too. */
  readonly all: boolean;
  readonly limit: number;
}

/** How often `--watch` looks, in ms. */
const WATCH_MS = 2_000;
const CLEAR = "\u001b[H\u001b[2J";

/** `crossband calls`: a table of the calls that are there now. Resolves with the exit code. */
export async function calls(config: Config, options: CallsOptions): Promise<number> {
  return withState(config, "calls", async (redis) => {
    const interrupted = Promise.withResolvers<"interrupted">();
    process.once("SIGINT", () => {
      interrupted.resolve("interrupted");
    });
    for (;;) {
      const { cards, more } = await readCalls(redis, options);
      if (options.watch && process.stdout.isTTY) process.stdout.write(CLEAR);
      for (const line of options.json ? cards.map((card) => JSON.stringify(card)) : table(cards, more))
        tell(process.stdout, printable(line));
      if (!options.watch) return 0;
      const pause = Promise.withResolvers<undefined>();
      const timer = setTimeout(pause.resolve, WATCH_MS, undefined);
      const stopped = await Promise.race([pause.promise, interrupted.promise]);
      clearTimeout(timer);
      if (stopped === "interrupted") return 0;
    }
  });
}

async function readCalls(
  redis: RedisConnection,
  { all, limit }: CallsOptions,
): Promise<{ cards: CallCard[]; more: boolean }> {
  const cards: CallCard[] = [];
  let more = false;
  for await (const { call, stored } of scanCalls(redis)) {
    const card = callCardOf(call, stored);
    // A trunk's registration and its health checks are records like calls, and none.
    if (card.kind.startsWith("trunk-") || (!all && card.state === "over")) continue;
    if (cards.length === limit) {
      more = true;
      break;
    }
    cards.push(card);
  }
  return { cards: cards.sort((a, b) => (a.startMs ?? Infinity) - (b.startMs ?? Infinity)), more };
}

const COLUMNS: readonly (readonly [title: string, width: number, text: (card: CallCard) => string])[] = [
  ["ID", 12, ({ call }) => call.slice(0, 10)],
  ["KIND", 12, ({ kind }) => kind],
  ["FROM", 17, ({ from }) => from],
  ["TO", 17, ({ to }) => to],
  ["STATE", 11, ({ state, unfinished }) => `${state}${unfinished ? "*" : ""}`],
  ["AGE", 9, ({ startMs }) => (startMs === undefined ? "-" : ageOf(Date.now() - startMs))],
  ["LEGS", 5, ({ legs }) => String(legs)],
  ["WORKER", 0, ({ worker }) => worker],
];

function table(cards: readonly CallCard[], more: boolean): string[] {
  const widths = COLUMNS.map(([, width]) => width);
  const row = (texts: readonly string[]): string => tableLine(texts, widths);
  return [
    row(COLUMNS.map(([title]) => title)),
    ...cards.map((card) => row(COLUMNS.map(([, , text]) => text(card)))),
    `${cards.length}${more ? " or more" : ""} ${cards.length === 1 ? "call" : "calls"}; * has something under way`,
  ];
}

function ageOf(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value: number): string => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
