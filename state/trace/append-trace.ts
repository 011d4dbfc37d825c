import { BUCKETS } from "#state/redis/bucket.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { defineScript, type ScriptClient } from "#state/redis/script.ts";
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

const script = defineScript({
  source: new URL("./append-trace.lua", import.meta.url),
  keys: ["trace", "traced"],
  args: ["call", "label", "chunk", "entries", "maxBytes", "maxEntries", "maxCalls", "keepMs"],
  reply: (raw) => raw as "kept" | "full",
});

/**
 * Appends to the traces of many calls with one write to the socket. Each stands alone: one that fails does not take the
 * others with it.
 *
 * @returns how many entries were lost: of calls whose trace is full, or because Redis refused
 */
export async function appendTraces(
  redis: RedisConnection,
  instance: string,
  appends: readonly TraceAppend[],
  limits: TraceLimits,
): Promise<number> {
  const { client, flush } = pipelined(redis);
  const results = appends.map(async ({ call, callId, startMs, entries }) => {
    const outcome = await script(
      client,
      { trace: traceKey(call), traced: tracedKey(call) },
      {
        call,
        label: `${startMs} ${callId.slice(0, MAX_CALL_ID)}`,
        chunk: encodeChunk(instance, entries),
        entries: entries.length,
        maxBytes: limits.maxBytes,
        maxEntries: limits.maxEntries,
        maxCalls: Math.ceil(limits.maxCalls / BUCKETS),
        keepMs: limits.keepMs,
      },
    );
    return outcome === "kept" ? 0 : entries.length;
  });
  const settled = Promise.allSettled(results);
  await flush();
  let lost = 0;
  for (const [i, result] of (await settled).entries())
    lost += result.status === "fulfilled" ? result.value : (appends[i]?.entries.length ?? 0);
  return lost;
}

/** One write for all commands of a batch where there is one server; a cluster takes them one by one. */
function pipelined(redis: RedisConnection): { client: ScriptClient; flush: () => Promise<unknown> } {
  if (redis.isCluster) return { client: redis, flush: () => Promise.resolve() };
  const pipeline = redis.pipeline();
  return {
    client: {
      evalsha: (sha, count, ...args) =>
        new Promise((resolve, reject) => {
          pipeline.evalsha(sha, count, ...args, (error, reply) => {
            if (error) reject(error);
            else resolve(reply);
          });
        }),
      eval: (lua, count, ...args) => redis.eval(lua, count, ...args),
    },
    flush: () => pipeline.exec(),
  };
}
