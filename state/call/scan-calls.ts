import { Cluster, type Redis } from "ioredis";
import { callKey } from "./call.keys.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { openRecord, type StoredCall } from "./stored-call.ts";

/** Keys that one SCAN looks at, and records read at once: each keeps Redis busy for well under a millisecond. */
const COUNT = 500;
const READ_AT_ONCE = 50;

export interface ScannedCall {
  readonly call: string;
  readonly stored: StoredCall;
}

/**
 * Every call that has a record, in no order, read a few at a time with other commands of the cluster in between. A call
 * that begins or ends meanwhile may be there or not. Stop reading and it stops asking.
 *
 * @param prefix of the call id; "" for all
 */
export async function* scanCalls(redis: RedisConnection, prefix = ""): AsyncGenerator<ScannedCall> {
  const pattern = `{*}:call:${prefix.replace(/[^0-9a-z]/g, "?")}*`;
  const seen = new Set<string>();
  for (const node of redis instanceof Cluster ? redis.nodes("master") : [redis])
    for await (const keys of scanKeys(node, pattern)) {
      // SCAN may tell a key twice.
      const fresh = keys.filter((key) => !seen.has(key));
      for (const key of fresh) seen.add(key);
      for (let first = 0; first < fresh.length; first += READ_AT_ONCE) {
        const names = fresh.slice(first, first + READ_AT_ONCE).map(callOf);
        const values = await Promise.all(names.map((call) => redis.get(callKey(call))));
        for (const [i, value] of values.entries()) {
          const stored = openRecord(value);
          if (stored) yield { call: names[i] ?? "", stored };
        }
      }
    }
}

const callOf = (key: string): string => key.slice(key.lastIndexOf(":") + 1);

async function* scanKeys(node: Redis, pattern: string): AsyncGenerator<string[]> {
  let cursor = "0";
  do {
    const [next, keys] = await node.scan(cursor, "MATCH", pattern, "COUNT", COUNT);
    cursor = next;
    if (keys.length > 0) yield keys;
  } while (cursor !== "0");
}
