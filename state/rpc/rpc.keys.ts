import { bucketOf, keyIn } from "#state/redis/bucket.ts";

/** Stream that one process reads: requests to it. */
export const inboxOf = (instance: string): string => keyIn(bucketOf(instance), "inbox", instance);
/** Channel on which one process hears the replies to its requests. */
export const repliesTo = (instance: string): string => keyIn(bucketOf(instance), "replies", instance);
