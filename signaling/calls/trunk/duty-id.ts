import { createHmac } from "node:crypto";
import { BUCKETS, bucketTag } from "#state/redis/bucket.ts";
import type { CallId } from "#signaling/sip-port/sip-port.ts";

/** Call ids are hexadecimal after their bucket: these letters tell a duty from a call without a look at its record. */
const MARK = "trunk";

/**
 * The record of something that goes on for a peer of a trunk without a call: it is a record like a call's, so that its
 * timers and requests survive any process, and one process at a time works on it. Whoever asks computes the same id.
 */
export function dutyIdOf(secret: string, ...names: readonly string[]): CallId {
  const digest = createHmac("sha256", secret)
    .update(["trunk-duty", ...names].join("\0"))
    .digest("hex");
  const bucket = Number.parseInt(digest.slice(0, 4), 16) % BUCKETS;
  return bucketTag(bucket) + MARK + digest.slice(4, 28);
}

export const isTrunkDuty = (call: CallId): boolean => call.startsWith(MARK, 2);
