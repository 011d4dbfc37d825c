import { scanCalls } from "#state/call/scan-calls.ts";
import { loadCall } from "#state/call/stored-call.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { readTrace, tracedCallsOf, tracedCallsWithCallId } from "#state/trace/read-trace.ts";
import { isCallId } from "#signaling/edge/engine/ids.ts";

export type FoundCalls =
  /** Several when they carry one Call-ID: a challenged request and its repetition. */
  | { readonly outcome: "found"; readonly calls: readonly string[] }
  | { readonly outcome: "ambiguous"; readonly calls: readonly string[] }
  | { readonly outcome: "unknown" };

/** Shorter beginnings fit too many calls. */
const MIN_PREFIX = 3;
/** Calls that are listed when a beginning fits several. */
const MAX_LISTED = 20;

/** Finds the call that a person names: by its id, a leg's id, the beginning of one, or the Call-ID of a leg. */
export async function findCall(redis: RedisConnection, name: string): Promise<FoundCalls> {
  const own = name.replace(/\.\d{1,4}$/, "");
  if (isCallId(own) && (await isKnown(redis, own))) return { outcome: "found", calls: [own] };
  if (/^[0-9a-z]+$/.test(name) && name.length >= MIN_PREFIX) {
    const calls = await withPrefix(redis, name);
    if (calls.length > 1) return { outcome: "ambiguous", calls };
    if (calls.length === 1) return { outcome: "found", calls };
  }
  const carriers = await tracedCallsWithCallId(redis, name);
  return carriers.length === 0
    ? { outcome: "unknown" }
    : { outcome: "found", calls: carriers.map(({ call }) => call) };
}

async function isKnown(redis: RedisConnection, call: string): Promise<boolean> {
  return (await readTrace(redis, call)) !== undefined || (await loadCall(redis, call)) !== undefined;
}

async function withPrefix(redis: RedisConnection, prefix: string): Promise<string[]> {
  const calls = new Set<string>();
  for (const { call } of await tracedCallsOf(redis, prefix)) {
    if ((await readTrace(redis, call)) !== undefined) calls.add(call);
    if (calls.size >= MAX_LISTED) return [...calls];
  }
  // Calls that nobody traces have a record while they last.
  for await (const { call } of scanCalls(redis, prefix)) {
    calls.add(call);
    if (calls.size >= MAX_LISTED) break;
  }
  return [...calls];
}
