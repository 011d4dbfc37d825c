import { bucketOf, keyIn } from "#state/redis/bucket.ts";

/** Bucket of what belongs to the whole cluster and not to one resource. */
const CLUSTER_BUCKET = 0;

/** Sorted set: call ids of the subscriptions to a resource (`conference:fire-1`) by their end, ms. */
export const subscriptionsKey = (resource: string): string =>
  keyIn(bucketOf(resource), "subscriptions", resource);
/** Sorted set: call ids of the subscriptions that a user holds, by their end, ms. */
export const subscriberKey = (user: string): string => keyIn(bucketOf(user), "subscriber", user);
/** Sorted set: resources that anybody is subscribed to, by the end of the last subscription, ms. */
export const watchedKey = keyIn(CLUSTER_BUCKET, "watched");
/** Number: grows when a resource comes to be watched. */
export const watchedVersionKey = keyIn(CLUSTER_BUCKET, "watched-version");
/** Stream: watched resources that have changed, each a JSON array; read by the consumer group of the signaling processes. */
export const changesKey = keyIn(CLUSTER_BUCKET, "changes");
/** Sorted set: call ids of the calls that a user takes part in, by when they were noted, ms. A hint: the call's record says. */
export const userCallsKey = (user: string): string => keyIn(bucketOf(user), "user-calls", user);
/** Hash: entity tag → end in ms and JSON of one published state of a user (RFC 3903). */
export const publicationsKey = (user: string): string => keyIn(bucketOf(user), "publications", user);
