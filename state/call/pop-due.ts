import type { RedisConnection } from "#state/redis/connection.ts";
import { defineScript } from "#state/redis/script.ts";

export interface DueCalls {
  /** When the bucket's next call is due, epoch ms; undefined when it has none. */
  readonly nextAtMs: number | undefined;
  readonly calls: readonly string[];
}

/** Takes overdue calls of one bucket for `leaseMs`. */
export const popDue = defineScript({
  source: new URL("./pop-due.lua", import.meta.url),
  keys: ["due"],
  args: ["graceMs", "leaseMs", "limit"],
  reply(raw): DueCalls {
    const [next = "", ...calls] = raw as string[];
    return { nextAtMs: next === "" ? undefined : Number(next), calls };
  },
});

/** When the next call of a bucket is due, epoch ms; undefined when it has none. */
export async function firstDue(
  redis: Pick<RedisConnection, "zrangebyscore">,
  key: string,
): Promise<number | undefined> {
  const [, score] = await redis.zrangebyscore(key, "-inf", "+inf", "WITHSCORES", "LIMIT", 0, 1);
  return score === undefined ? undefined : Number(score);
}
