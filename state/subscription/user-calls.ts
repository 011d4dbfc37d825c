import type { RedisConnection } from "#state/redis/connection.ts";
import { userCallsKey } from "./subscription.keys.ts";

/** Calls of one user that are looked at; the oldest give way. */
export const MAX_USER_CALLS = 20;
/** Longest life of a list that nobody adds to, in ms: as long as a call may stand. */
const LIST_TTL_MS = 30 * 24 * 3_600_000;

/** Notes that a user takes part in a call. */
export async function addUserCall(
  redis: RedisConnection,
  user: string,
  call: string,
  atMs: number,
): Promise<void> {
  const key = userCallsKey(user);
  await Promise.all([
    redis.zadd(key, atMs, call),
    redis.zremrangebyrank(key, 0, -MAX_USER_CALLS - 1),
    redis.pexpire(key, LIST_TTL_MS),
  ]);
}

/** Strikes a call that is over, or whose record is gone. */
export async function removeUserCall(redis: RedisConnection, user: string, call: string): Promise<void> {
  await redis.zrem(userCallsKey(user), call);
}

/** The calls that a user was last seen in. Their records say whether that is still so. */
export const userCalls = (redis: RedisConnection, user: string): Promise<string[]> =>
  redis.zrange(userCallsKey(user), 0, "-1");
