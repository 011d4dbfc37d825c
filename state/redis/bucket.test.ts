import { describe, expect, it } from "vitest";
import { BUCKETS, bucketOf, bucketOfTag, bucketTag, keyIn } from "./bucket.ts";

describe("buckets", () => {
  it("spreads ids over all buckets, within a factor of two of even", () => {
    const counts = new Map<number, number>();
    for (let i = 0; i < BUCKETS * 200; i++) {
      const bucket = bucketOf(`group-${i}`);
      counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    }
    expect(counts.size).toBe(BUCKETS);
    expect(Math.min(...counts.values())).toBeGreaterThan(100);
    expect(Math.max(...counts.values())).toBeLessThan(400);
  });

  it("never moves an id: these are stored in databases", () => {
    expect([bucketOf("fire-1"), bucketOf("alice"), bucketOf("")]).toEqual([215, 487, 453]);
  });

  it("writes a bucket as two characters and reads it back", () => {
    for (let bucket = 0; bucket < BUCKETS; bucket++)
      expect(bucketOfTag(`${bucketTag(bucket)}rest`)).toBe(bucket);
  });

  it.each(["", "z", "zz-too-big", "A1", "é1", "e8"])("reads no bucket from %j", (text) => {
    expect(bucketOfTag(text)).toBeUndefined();
  });

  it("puts the cluster hash tag in front of every key", () => {
    expect(keyIn(17, "floor", "fire-1")).toBe("{17}:floor:fire-1");
  });
});
