import { bucketOfTag } from "#state/redis/bucket.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { MAX_CALL_ID } from "./append-traces.ts";
import { decodeChunk, type TraceEntry } from "./trace-entry.ts";
import { traceKey, tracedKey, tracedKeys } from "./trace.keys.ts";

/** What is kept of one call, in the order of its clocks. */
export interface CallTrace {
  readonly call: string;
  readonly entries: readonly TraceEntry[];
  /** Entries that had no room. */
  readonly lost: number;
}

/** A call that has a trace. */
export interface TracedCall {
  readonly call: string;
  readonly startMs: number;
  /** Call-ID of its first message. */
  readonly callId: string;
}

/** Buckets asked at once. */
const PARALLEL = 64;

/** The trace of a call; undefined when none is kept. */
export async function readTrace(
  redis: Pick<RedisConnection, "lrange">,
  call: string,
): Promise<CallTrace | undefined> {
  const [head, ...chunks] = await redis.lrange(traceKey(call), 0, -1);
  if (head === undefined) return undefined;
  const entries = chunks.flatMap(decodeChunk).sort((a, b) => a.atUs - b.atUs);
  return { call, entries, lost: Number(head.split(" ")[2] ?? 0) };
}

/** The calls with a trace whose id begins with `prefix` (two characters or more), newest first. */
export async function tracedCallsOf(
  redis: Pick<RedisConnection, "lrange">,
  prefix: string,
): Promise<TracedCall[]> {
  if (bucketOfTag(prefix) === undefined) return [];
  const rows = await redis.lrange(tracedKey(prefix), 0, -1);
  return rows
    .map(parseTraced)
    .filter(({ call }) => call.startsWith(prefix))
    .reverse();
}

/** The calls with a trace that carry this Call-ID, oldest first: a challenged request and its repetition are two. */
export async function tracedCallsWithCallId(
  redis: Pick<RedisConnection, "lrange">,
  callId: string,
): Promise<TracedCall[]> {
  const found: TracedCall[] = [];
  for (let first = 0; first < tracedKeys.length; first += PARALLEL) {
    const lists = await Promise.all(
      tracedKeys.slice(first, first + PARALLEL).map((key) => redis.lrange(key, 0, -1)),
    );
    found.push(
      ...lists
        .flat()
        .map(parseTraced)
        .filter((traced) => traced.callId === callId.slice(0, MAX_CALL_ID)),
    );
  }
  return found.sort((a, b) => a.startMs - b.startMs);
}

function parseTraced(row: string): TracedCall {
  const [call = "", startMs = "0", callId = ""] = row.split(" ");
  return { call, startMs: Number(startMs), callId };
}
