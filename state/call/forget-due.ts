import type { RedisConnection } from "#state/redis/connection.ts";
import { dueKey, type CallSpace } from "./call.keys.ts";

/** Strikes a call whose record has gone from the due set. */
export async function forgetDue(
  redis: Pick<RedisConnection, "zrem">,
  call: string,
  space: CallSpace = "call",
): Promise<void> {
  await redis.zrem(dueKey(call, space), call);
}
