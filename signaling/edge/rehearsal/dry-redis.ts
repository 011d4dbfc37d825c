import type { RedisConnection } from "#state/redis/connection.ts";

/** Revision and record come first among a commit's values; see commit-step.lua. */
const KEY = 2;
const VALUE = 7;

/** What the engine needs of a Redis, kept nowhere: for calls that nobody makes. */
export function dryRedis(): RedisConnection {
  const records = new Map<string, string>();
  const dry = {
    evalsha: (...args: string[]) => {
      records.set(args[KEY] ?? "", args[VALUE] ?? "");
      return Promise.resolve("committed");
    },
    get: (key: string) => Promise.resolve(records.get(key) ?? null),
    zrem: () => Promise.resolve(0),
  };
  return dry as unknown as RedisConnection;
}
