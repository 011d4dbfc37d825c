import type { RedisConnection } from "#state/redis/connection.ts";
import { defineScript } from "#state/redis/script.ts";
import { trunkAuditKey, trunkCallsKey, trunkStartsKey } from "./trunk.keys.ts";

/** A call that was claimed is looked at after this time, then each time again, in ms. */
export const CHECK_MS = 8_000;
/** What nobody touches for so long is forgotten: a trunk that is gone. */
const TTL_MS = 7 * 24 * 3_600_000;
/** How long one instance has the audit of a trunk to itself, in ms. */
const AUDIT_MS = 4_000;
/** A call that was claimed or looked at so lately is left alone: it may have no record yet. In ms. */
const FRESH_MS = 3_000;
/** Calls that one audit looks at; the next takes the rest. */
const AUDIT_BATCH = 2_000;
/** Calls looked at in one go. */
const PARALLEL = 32;

export type Claim = "claimed" | "full" | "too-fast";

export interface SlotLimits {
  readonly maxCalls?: number | undefined;
  readonly maxCallsPerSecond?: number | undefined;
}

const claimScript = defineScript({
  source: new URL("./claim-slot.lua", import.meta.url),
  keys: ["calls", "starts"],
  args: ["call", "maxCalls", "perSecond", "checkMs", "ttlMs"],
  reply(raw): Claim {
    if (raw === "claimed" || raw === "full" || raw === "too-fast") return raw;
    throw new Error(`claim-slot.lua: unknown outcome ${String(raw)}`);
  },
});

/** Counts a call against the limits of its trunk; the same call again counts once. */
export const claimSlot = (
  redis: RedisConnection,
  trunk: string,
  call: string,
  limits: SlotLimits,
): Promise<Claim> =>
  claimScript(
    redis,
    { calls: trunkCallsKey(trunk), starts: trunkStartsKey(trunk) },
    {
      call,
      maxCalls: limits.maxCalls ?? 0,
      perSecond: limits.maxCallsPerSecond ?? 0,
      checkMs: CHECK_MS,
      ttlMs: TTL_MS,
    },
  );

/** Gives back what a call had; safe to repeat. */
export async function releaseSlot(redis: RedisConnection, trunk: string, call: string): Promise<void> {
  await redis.zrem(trunkCallsKey(trunk), call);
}

/**
 * Looks through the calls of a trunk and drops those that are no more: what a process that died did not come to give back.
 *
 * @param all looks at every call but the freshest, not only at those whose time has come; and although others may do so too
 * @param lives whether the trunk still carries a call
 * @returns how many were dropped
 */
export async function auditSlots(
  redis: RedisConnection,
  trunk: string,
  nowMs: number,
  all: boolean,
  lives: (call: string) => Promise<boolean>,
): Promise<number> {
  const key = trunkCallsKey(trunk);
  // A score is when the call was last seen to, and CHECK_MS more.
  const until = all ? nowMs + CHECK_MS - FRESH_MS : nowMs;
  const calls = await redis.zrangebyscore(key, "-inf", `${until}`, "LIMIT", 0, AUDIT_BATCH);
  if (calls.length === 0) return 0;
  if (!all && (await redis.set(trunkAuditKey(trunk), "1", "PX", AUDIT_MS, "NX")) === null) return 0;
  let dropped = 0;
  const look = async (call: string): Promise<void> => {
    if (await lives(call)) await redis.zadd(key, "XX", nowMs + CHECK_MS, call);
    else dropped += await redis.zrem(key, call);
  };
  for (let first = 0; first < calls.length; first += PARALLEL)
    await Promise.all(calls.slice(first, first + PARALLEL).map(look));
  return dropped;
}

export interface TrunkLoad {
  readonly calls: number;
  /** New calls within the last minute. */
  readonly startsPerMinute: number;
}

/** How much a trunk carries now. */
export async function loadOfTrunk(redis: RedisConnection, trunk: string, nowMs: number): Promise<TrunkLoad> {
  const [calls, startsPerMinute] = await Promise.all([
    redis.zcard(trunkCallsKey(trunk)),
    redis.zcount(trunkStartsKey(trunk), nowMs - 60_000, "+inf"),
  ]);
  return { calls, startsPerMinute };
}
