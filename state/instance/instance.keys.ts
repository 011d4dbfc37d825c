import { keyIn } from "#state/redis/bucket.ts";

/** Bucket of what belongs to the whole cluster and not to one entity. */
export const CLUSTER_BUCKET = 0;

/** Sorted set: `role:instance` by lease end, ms. */
export const instanceLeases = keyIn(CLUSTER_BUCKET, "instances");
/** Hash: `role:instance` → JSON card. */
export const instanceCards = keyIn(CLUSTER_BUCKET, "instance-cards");
/** String: the secret that every instance of the cluster derives ids and nonces from. */
export const clusterSecretKey = keyIn(CLUSTER_BUCKET, "secret");
