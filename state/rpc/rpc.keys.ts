import { bucketOf, keyIn } from "#state/redis/bucket.ts";

/** Stream that one process reads: requests to it and replies to its own requests. */
export const inboxOf = (instance: string): string => keyIn(bucketOf(instance), "inbox", instance);
