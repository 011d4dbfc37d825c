import { everyBeat } from "#common/beat.ts";
import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { changesKey, watchedKey, watchedVersionKey } from "./subscription.keys.ts";

/** How late a process may learn that a resource is watched, in ms. A new subscription looks again after a longer time. */
export const WATCH_LAG_MS = 1_000;
/** The whole list is read this often all the same, in ms: what has ended drops out. */
const RELOAD_MS = 60_000;
/** Changes that nobody has read; a cluster that far behind tells of the newest. */
const STREAM_LENGTH = 10_000;
/** Resources in one entry of the stream. */
const BATCH = 100;

/** Tells the cluster that something which can be subscribed to has changed. */
export interface ChangeNotes {
  /** True when anybody is subscribed to the resource: a look into memory. */
  watches(resource: string): boolean;
  /** True when anybody is subscribed to anything. */
  readonly watchesAny: boolean;
  /** Tells of a change, off the path of whoever made it, if the resource is watched. */
  note(resource: string): void;
  close(): void;
}

/**
 * Opens the notes of a process. It keeps a copy of the list of watched resources, so that a change that concerns nobody
 * costs nothing; while nothing changes in the list, keeping it costs one small command a second.
 */
export function openChangeNotes(redis: RedisConnection, log: Logger): ChangeNotes {
  let watched: ReadonlySet<string> = new Set();
  let version: string | null | undefined;
  let reloadAtMs = 0;
  let reading = false;
  const changed = new Set<string>();
  const flush = (): void => {
    const all = [...changed];
    changed.clear();
    for (let at = 0; at < all.length; at += BATCH) {
      const text = JSON.stringify(all.slice(at, at + BATCH));
      redis.xadd(changesKey, "MAXLEN", "~", STREAM_LENGTH, "*", "r", text).catch((error: unknown) => {
        // The subscriptions are refreshed, and then tell what there is.
        log.warn({ error: String(error) }, "change not told");
      });
    }
  };
  const look = async (): Promise<void> => {
    const now = Date.now();
    const latest = await redis.get(watchedVersionKey);
    if (latest === version && now < reloadAtMs) return;
    watched = new Set(latest === null ? [] : await redis.zrangebyscore(watchedKey, now, "+inf"));
    version = latest;
    reloadAtMs = now + RELOAD_MS;
  };
  const stop = everyBeat(WATCH_LAG_MS, () => {
    if (reading) return;
    reading = true;
    look()
      .catch((error: unknown) => {
        log.debug({ error: String(error) }, "watched resources not read");
      })
      .finally(() => {
        reading = false;
      });
  });
  return {
    watches: (resource) => watched.has(resource),
    get watchesAny() {
      return watched.size > 0;
    },
    note(resource) {
      if (!watched.has(resource)) return;
      if (changed.size === 0) setImmediate(flush);
      changed.add(resource);
    },
    close() {
      stop();
    },
  };
}
