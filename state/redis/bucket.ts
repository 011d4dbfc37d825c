/** Number of hash slots that state is spread over. Fixed for good: changing it moves every key. */
export const BUCKETS = 512;

/** Two base-36 characters, `00` to `e7`: the bucket as it appears in ids that carry their own address. */
export type BucketTag = string;

/** The bucket of an entity that is named by people (user, talk group, channel): FNV-1a of its id. */
export function bucketOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) {
    hash ^= id.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) % BUCKETS;
}

/** A bucket as the first two characters of a call id. */
export const bucketTag = (bucket: number): BucketTag => bucket.toString(36).padStart(2, "0");

/** The bucket that a call id names, or undefined when the text cannot be one of ours. */
export function bucketOfTag(id: string): number | undefined {
  if (!/^[0-9a-z]{2}/.test(id)) return undefined;
  const bucket = Number.parseInt(id.slice(0, 2), 36);
  return bucket < BUCKETS ? bucket : undefined;
}

/** Builds a key with its cluster hash tag: `{17}:floor:fire-1`. Used by `*.keys.ts` files only. */
export const keyIn = (bucket: number, ...parts: string[]): string => `{${bucket}}:${parts.join(":")}`;
