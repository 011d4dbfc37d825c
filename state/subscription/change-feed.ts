import { everyBeat } from "#common/beat.ts";
import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { changesKey } from "./subscription.keys.ts";

/** Name of the consumer group: a change goes to one signaling process. */
const GROUP = "signaling";
const COUNT = 64;
const BLOCK_MS = 30_000;
/** Changes that come together are read together, in ms: a resource that changes often is looked at once. */
const GATHER_MS = 50;
/** How often what dead processes have taken is looked for, and how long it must have lain, in ms. */
const CLAIM_MS = 1_000;
const CLAIM_IDLE_MS = 1_500;
/** A change that could not be told for so long is given up: the subscriptions' refreshes tell what there is. In ms. */
const STALE_MS = 60_000;
/** Readers that are gone are struck after so long, in ms. */
const READER_LIFE_MS = 600_000;
const RETRY_MS = 500;

type Entry = readonly [id: string, fields: string[]];

export interface ChangeFeedOptions {
  readonly redis: RedisConnection;
  /** A connection of its own, opened for blocking use; closed by the returned function. */
  readonly reader: RedisConnection;
  readonly instance: string;
  readonly log: Logger;
  /** False while there can be nothing to claim. */
  readonly busy: () => boolean;
  /** Tells every subscription to the resource; rejects when it could not. May come twice. */
  readonly changed: (resource: string) => Promise<void>;
}

/**
 * Reads what has changed: each change by one process, and by another one when that process dies over it.
 *
 * @returns ends the reading; idempotent
 */
export function startChangeFeed(options: ChangeFeedOptions): () => void {
  const { redis, reader, instance, log, busy, changed } = options;
  let closed = false;
  const isClosed = () => closed;

  const handle = async (entries: readonly Entry[]): Promise<void> => {
    if (entries.length === 0) return;
    const settled = new Map<string, Promise<boolean>>();
    const tell = (resource: string): Promise<boolean> => {
      const known = settled.get(resource);
      if (known) return known;
      const done = changed(resource).then(
        () => true,
        (error: unknown) => {
          log.warn({ error: String(error), resource }, "change not told to all");
          return false;
        },
      );
      settled.set(resource, done);
      return done;
    };
    const done: string[] = [];
    await Promise.all(
      entries.map(async ([id, fields]) => {
        const told = await Promise.all(resourcesOf(fields).map(tell));
        const stale = Number(id.split("-", 1)[0]) < Date.now() - STALE_MS;
        if (stale || told.every(Boolean)) done.push(id);
      }),
    );
    if (done.length === 0) return;
    await redis.xack(changesKey, GROUP, ...done);
    await redis.xdel(changesKey, ...done);
  };

  const read = async (): Promise<void> => {
    while (!closed) {
      try {
        const reply = (await reader.xreadgroup("GROUP", GROUP, instance, "COUNT", COUNT, "BLOCK", BLOCK_MS, "STREAMS", changesKey, ">")) as [string, Entry[]][] | null; // prettier-ignore
        await handle(reply?.[0]?.[1] ?? []);
        if (reply) await wait(GATHER_MS);
      } catch (error) {
        if (isClosed()) return;
        if (!(await openGroup(redis, error))) {
          log.warn({ error: String(error) }, "changes not read");
          await wait(RETRY_MS);
        }
      }
    }
  };

  let claiming: Promise<void> | undefined;
  let sweepAtMs = Date.now() + READER_LIFE_MS;
  const claim = async (): Promise<void> => {
    const reply = await redis.xautoclaim(changesKey, GROUP, instance, CLAIM_IDLE_MS, "0-0", "COUNT", COUNT);
    // Entries that were deleted meanwhile come as null.
    await handle((reply as [string, (Entry | null)[]])[1].filter((entry) => entry !== null));
    if (Date.now() < sweepAtMs) return;
    sweepAtMs = Date.now() + READER_LIFE_MS;
    await strikeReaders(redis);
  };
  const stop = everyBeat(CLAIM_MS, () => {
    if (!busy()) return;
    claiming ??= claim()
      .catch((error: unknown) => {
        if (!closed) log.debug({ error: String(error) }, "changes not claimed");
      })
      .finally(() => {
        claiming = undefined;
      });
  });
  void read();
  return () => {
    if (closed) return;
    closed = true;
    stop();
    reader.disconnect();
  };
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function resourcesOf(fields: readonly string[]): string[] {
  try {
    const list: unknown = JSON.parse(fields[1] ?? "[]");
    return Array.isArray(list) ? list.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

/** Makes the group when that is what was missing. */
async function openGroup(redis: RedisConnection, error: unknown): Promise<boolean> {
  if (!(error instanceof Error) || !error.message.startsWith("NOGROUP")) return false;
  // Somebody else may be as quick.
  return redis.xgroup("CREATE", changesKey, GROUP, "0", "MKSTREAM").then(
    () => true,
    (failure: unknown) => String(failure).includes("BUSYGROUP"),
  );
}

/** A process that starts again has another name: what is left of the old one's is struck. */
async function strikeReaders(redis: RedisConnection): Promise<void> {
  const rows = (await redis.xinfo("CONSUMERS", changesKey, GROUP)) as (string | number)[][];
  for (const row of rows) {
    const field = (name: string) => row[row.indexOf(name) + 1];
    if (Number(field("pending")) === 0 && Number(field("idle")) > READER_LIFE_MS)
      await redis.xgroup("DELCONSUMER", changesKey, GROUP, String(field("name")));
  }
}
