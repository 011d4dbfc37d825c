import { BUCKETS, bucketOfTag, keyIn } from "#state/redis/bucket.ts";

/** List: `<bytes> <entries> <lost>`, then chunks of entries as they were written; in the slot of the call itself. */
export function traceKey(call: string): string {
  const bucket = bucketOfTag(call);
  if (bucket === undefined) throw new RangeError("not a call id");
  return keyIn(bucket, "trace", call);
}

const tracedName = (bucket: number): string => keyIn(bucket, "traced");

/** List: `<call> <start in ms> <Call-ID>` of the calls of a bucket that have a trace, oldest first. */
export function tracedKey(call: string): string {
  const bucket = bucketOfTag(call);
  if (bucket === undefined) throw new RangeError("not a call id");
  return tracedName(bucket);
}

/** That list of each bucket, in order. */
export const tracedKeys: readonly string[] = Array.from({ length: BUCKETS }, (_, bucket) =>
  tracedName(bucket),
);
