import { bucketOf, keyIn } from "#state/redis/bucket.ts";

/** Hash: binding key → expiry, CSeq, Call-ID and JSON of one binding of a user. */
export const bindingsKey = (user: string): string => keyIn(bucketOf(user), "bindings", user);
