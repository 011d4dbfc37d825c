import { describe, expect, it } from "vitest";
import { torture } from "./torture.ts";

/** Bounded tables of the server are still filling in so short a run; `npm run torture` holds memory to 10 %. */
const GROWTH_BYTES = 16e6;

describe("20,000 mutated messages through a running SIP server", () => {
  it(
    "neither end it nor stop it, are answered well-formed, and leave its memory as it was",
    { timeout: 240_000 },
    async () => {
      const report = await torture({ seed: 4475, count: 20_000, warmUp: 5_000, settleMs: 4_000 });
      expect(report.crash).toBeUndefined();
      expect(report.answers.faults).toEqual([]);
      expect(report.answers.count).toBeGreaterThan(5_000);
      expect(report.heapAfter - report.heapBefore).toBeLessThan(GROWTH_BYTES);
    },
  );
});
