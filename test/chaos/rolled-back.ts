import { Redis } from "ioredis";
import { delay } from "./delay.ts";

const LINK_LIMIT_MS = 2_000;

/**
 * Callers with a record or detail record that a dead master had acknowledged and its replica never got. Replication is
 * asynchronous: what was under way at the death is gone, and no client can know.
 *
 * @param replica must not have been promoted yet
 * @param asItDied starts the master from its files, alone
 */
export async function rolledBack(replica: string, asItDied: () => Promise<string>): Promise<string[]> {
  const client = new Redis(replica);
  try {
    // What is in the sockets still arrives; the link breaks behind it.
    const deadline = Date.now() + LINK_LIMIT_MS;
    while (!(await client.info("replication")).includes("master_link_status:down")) {
      if (Date.now() > deadline) throw new Error("the replica did not notice the death");
      await delay(5);
    }
    const had = await contentOf(client);
    const dead = new Redis(await asItDied());
    try {
      const acknowledged = await contentOf(dead);
      const gone = [...acknowledged].filter(([key, text]) => had.get(key) !== text);
      return [...new Set(gone.map(([, text]) => callerIn(text)))];
    } finally {
      dead.disconnect();
    }
  } finally {
    client.disconnect();
  }
}

/** Records of calls by key, and detail records by key and id. */
async function contentOf(redis: Redis): Promise<Map<string, string>> {
  const [calls, streams] = await Promise.all([redis.keys("*}:call:*"), redis.keys("*}:cdr")]);
  const records = await Promise.all(calls.map(async (key) => [key, (await redis.get(key)) ?? ""] as const));
  const details = await Promise.all(
    streams.map(async (key) =>
      (await redis.xrange(key, "-", "+")).map(([id, fields]) => [`${key} ${id}`, fields[1] ?? ""] as const),
    ),
  );
  return new Map([...records.filter(([, text]) => text !== ""), ...details.flat()]);
}

const callerIn = (text: string): string =>
  /\bsip:(c\d+)@|"from":"(c\d+)"/.exec(text)?.slice(1).find(Boolean) ?? "?";
