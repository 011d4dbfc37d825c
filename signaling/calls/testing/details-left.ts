import type { RedisConnection } from "#state/redis/connection.ts";
import type { CallDetail } from "#signaling/calls/call/effect.ts";

/** Every call detail record that there is. */
export async function detailsLeft(redis: RedisConnection): Promise<CallDetail[]> {
  const keys = await redis.keys("*:cdr");
  const rows = await Promise.all(keys.map((key) => redis.xrange(key, "-", "+")));
  return rows.flat().map(([, fields]) => JSON.parse(fields[1] ?? "{}") as CallDetail);
}
