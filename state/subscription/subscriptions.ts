import type { RedisConnection } from "#state/redis/connection.ts";
import { defineScript } from "#state/redis/script.ts";
import { subscriberKey, subscriptionsKey, watchedKey, watchedVersionKey } from "./subscription.keys.ts";

/** Subscriptions that one resource may have, and one user may hold. */
export const MAX_PER_RESOURCE = 1_000;
export const MAX_PER_SUBSCRIBER = 500;

export interface SubscriptionEntry {
  readonly call: string;
  /** `<package>:<id>`. */
  readonly resource: string;
  readonly subscriber: string;
  readonly expiresAtMs: number;
}

const addScript = defineScript({
  source: new URL("./add-subscription.lua", import.meta.url),
  keys: ["index"],
  args: ["call", "expiresAtMs", "limit"],
  reply: (raw) => raw === "added",
});

const watchScript = defineScript({
  source: new URL("./watch-resource.lua", import.meta.url),
  keys: ["watched", "version"],
  args: ["resource", "expiresAtMs"],
  reply: Number,
});

/**
 * Notes a subscription where changes of its resource look for it. Call it before the subscription's own record is
 * committed, and again when its end moves: an entry without a record hurts nobody and goes at its end.
 *
 * @returns false when the resource or the subscriber has as many as it may
 */
export async function addSubscription(redis: RedisConnection, entry: SubscriptionEntry): Promise<boolean> {
  const { call, resource, subscriber, expiresAtMs } = entry;
  const held = await addScript(redis, { index: subscriberKey(subscriber) }, { call, expiresAtMs, limit: MAX_PER_SUBSCRIBER }); // prettier-ignore
  if (!held) return false;
  const added = await addScript(redis, { index: subscriptionsKey(resource) }, { call, expiresAtMs, limit: MAX_PER_RESOURCE }); // prettier-ignore
  if (added)
    await watchScript(redis, { watched: watchedKey, version: watchedVersionKey }, { resource, expiresAtMs }); // prettier-ignore
  else await redis.zrem(subscriberKey(subscriber), call);
  return added;
}

/** Strikes a subscription that has ended. */
export async function removeSubscription(
  redis: RedisConnection,
  { call, resource, subscriber }: Omit<SubscriptionEntry, "expiresAtMs">,
): Promise<void> {
  await Promise.all([
    redis.zrem(subscriptionsKey(resource), call),
    redis.zrem(subscriberKey(subscriber), call),
  ]);
}

/** Call ids of the subscriptions to a resource that have not ended. */
export const subscriptionsTo = (redis: RedisConnection, resource: string): Promise<string[]> =>
  redis.zrangebyscore(subscriptionsKey(resource), Date.now(), "+inf");
