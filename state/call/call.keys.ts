import { BUCKETS, bucketOfTag, keyIn } from "#state/redis/bucket.ts";

/** A call id starts with its bucket tag; an id without one has no address. */
const bucketOfCall = (call: string): number => {
  const bucket = bucketOfTag(call);
  if (bucket === undefined) throw new RangeError("not a call id");
  return bucket;
};

/** String: `<8-character revision><record>`; the whole call, its legs and transactions. */
export const callKey = (call: string): string => keyIn(bucketOfCall(call), "call", call);
/** Sorted set: call ids by the time in ms at which somebody must look at them although no message came. */
export const dueKey = (call: string): string => keyIn(bucketOfCall(call), "due");
/** Stream: call detail records, one field `cdr` of JSON. */
export const cdrKey = (call: string): string => keyIn(bucketOfCall(call), "cdr");

/** The due set of each bucket, in order. */
export const dueKeys: readonly string[] = Array.from({ length: BUCKETS }, (_, bucket) =>
  keyIn(bucket, "due"),
);
/** The stream of call detail records of each bucket, in order. */
export const cdrKeys: readonly string[] = Array.from({ length: BUCKETS }, (_, bucket) =>
  keyIn(bucket, "cdr"),
);
