import { BUCKETS } from "#state/redis/bucket.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { defineBatchScript } from "#state/redis/script.ts";
import { encodeChunk, type TraceEntry } from "./trace-entry.ts";
import { traceKey, tracedKey } from "./trace.keys.ts";

/** How much is kept, and for how long. */
export interface TraceLimits {
  /** After the last entry of a call, in ms. */
  readonly keepMs: number;
  /** Calls of the whole cluster; the oldest go first. */
  readonly maxCalls: number;
  /** Of one call; what comes later is counted and not kept. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** What one instance has seen of one call since it wrote last. */
export interface TraceAppend {
  readonly call: string;
  /** Call-ID of the first message. */
  readonly callId: string;
  readonly startMs: number;
  readonly entries: readonly TraceEntry[];
}

/** Peers choose their Call-IDs: more of one is not kept for looking a call up. */
export const MAX_CALL_ID = 128;

const script = defineBatchScript({
  source: new URL("./append-traces.lua", import.meta.url),
  keys: ["trace", "traced"],
  args: ["call", "label", "chunk", "entries", "maxBytes", "maxEntries", "maxCalls", "keepMs"],
  reply: (raw) => raw as "kept" | "full" | "failed",
});

/**
 * Appends to the traces of many calls, with one command where there is one server: a cluster takes those of each bucket.
 * Each call stands alone: one that fails does not take the others with it.
 *
 * @returns how many entries were lost: of calls whose trace is full, or because Redis refused
 */
export async function appendTraces(
  redis: RedisConnection,
  instance: string,
  appends: readonly TraceAppend[],
  limits: TraceLimits,
): Promise<number> {
  const batches = redis.isCluster ? Object.values(Object.groupBy(appends, bucketTagOf)) : [appends];
  const lost = await Promise.all(batches.map((batch = []) => append(redis, instance, batch, limits)));
  return lost.reduce((sum, each) => sum + each, 0);
}

const bucketTagOf = ({ call }: TraceAppend): string => call.slice(0, 2);
const countOf = (appends: readonly TraceAppend[]): number =>
  appends.reduce((sum, { entries }) => sum + entries.length, 0);

async function append(
  redis: RedisConnection,
  instance: string,
  appends: readonly TraceAppend[],
  { keepMs, maxCalls, maxBytes, maxEntries }: TraceLimits,
): Promise<number> {
  const rows = appends.map(({ call, callId, startMs, entries }) => ({
    keys: { trace: traceKey(call), traced: tracedKey(call) },
    args: {
      call,
      label: `${startMs} ${callId.slice(0, MAX_CALL_ID)}`,
      chunk: encodeChunk(instance, entries),
      entries: entries.length,
      maxBytes,
      maxEntries,
      maxCalls: Math.ceil(maxCalls / BUCKETS),
      keepMs,
    },
  }));
  const outcomes = await script(redis, rows).catch(() => []);
  return countOf(appends.filter((_, i) => outcomes[i] !== "kept"));
}
