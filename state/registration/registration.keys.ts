import { bucketOf, keyIn } from "#state/redis/bucket.ts";

/** Hash: binding key → expiry, CSeq, Call-ID and JSON of one binding of a user. */
export const bindingsKey = (user: string): string => keyIn(bucketOf(user), "bindings", user);
/** Hash: leg id → when, flow and binding key; legs of a user's calls that are reached over a connection. */
export const followersKey = (user: string): string => keyIn(bucketOf(user), "followers", user);
