import { CLUSTER_BUCKET } from "#state/instance/instance.keys.ts";
import { bucketOf, keyIn } from "#state/redis/bucket.ts";

/** Sorted set: ids of the calls that a trunk carries, by the time in ms at which each is to be looked at. */
export const trunkCallsKey = (trunk: string): string => keyIn(bucketOf(trunk), "trunk-calls", trunk);
/** Sorted set: ids of the calls that began within the last minute, by when. */
export const trunkStartsKey = (trunk: string): string => keyIn(bucketOf(trunk), "trunk-starts", trunk);
/** Hash: `health|<peer>`, `registration|<peer>` and `avoid|<peer>` to JSON of what is known of the peer. */
export const trunkStatusKey = (trunk: string): string => keyIn(bucketOf(trunk), "trunk-status", trunk);
/** String: an instance looks through the trunk's calls right now. */
export const trunkAuditKey = (trunk: string): string => keyIn(bucketOf(trunk), "trunk-audit", trunk);
/** Hash: record id of each duty (a registration, a peer's health checks) to what it is about. */
export const trunkDutiesKey = keyIn(CLUSTER_BUCKET, "trunk-duties");
