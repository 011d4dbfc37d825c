import { CLUSTER_BUCKET } from "#state/instance/instance.keys.ts";
import { keyIn } from "#state/redis/bucket.ts";

/** Hash: address → JSON of its ban. */
export const bansKey = keyIn(CLUSTER_BUCKET, "bans");
