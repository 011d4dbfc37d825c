import { BUCKETS, bucketOfTag, keyIn } from "#state/redis/bucket.ts";

/** A call id starts with its bucket tag; an id without one has no address. */
const bucketOfCall = (call: string): number => {
  const bucket = bucketOfTag(call);
  if (bucket === undefined) throw new RangeError("not a call id");
  return bucket;
};

const dueName = (space: CallSpace): string => (space === "call" ? "due" : "control-due");

/** Whose record of a call: the edge's, with all that is in it, or that of call control on a remote edge. */
export type CallSpace = "call" | "control";

/** String: `<8-character revision><record>`; the whole call, its legs and transactions. */
export const callKey = (call: string, space: CallSpace = "call"): string =>
  keyIn(bucketOfCall(call), space, call);
/** Sorted set: call ids by the time in ms at which somebody must look at them although no message came. */
export const dueKey = (call: string, space: CallSpace = "call"): string =>
  keyIn(bucketOfCall(call), dueName(space));
/** Stream: call detail records, one field `cdr` of JSON. */
export const cdrKey = (call: string): string => keyIn(bucketOfCall(call), "cdr");

/** The due set of each bucket, in order. */
export const dueKeys: readonly string[] = Array.from({ length: BUCKETS }, (_, bucket) =>
  keyIn(bucket, "due"),
);
/** The due set of each bucket for call control on a remote edge, in order. */
export const controlDueKeys: readonly string[] = Array.from({ length: BUCKETS }, (_, bucket) =>
  keyIn(bucket, dueName("control")),
);
