import { CLUSTER_BUCKET } from "#state/instance/instance.keys.ts";
import { bucketOf, keyIn } from "#state/redis/bucket.ts";

export type Kind = "agency" | "user" | "talk-group" | "radio-channel" | "trunk";

/** String: the JSON of one resource. */
export const resourceKey = (kind: Kind, id: string): string => keyIn(bucketOf(id), kind, id);
/** Set: the ids of all resources of a kind. */
export const resourceIndex = (kind: Kind): string => keyIn(CLUSTER_BUCKET, "index", kind);
/** String: the SIP domain and digest realm. */
export const domainKey = keyIn(CLUSTER_BUCKET, "domain");
/** Channel on which a changed resource is named, `kind:id`, so that caches drop it. */
export const directoryChannel = keyIn(CLUSTER_BUCKET, "directory-changes");
