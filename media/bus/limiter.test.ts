import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME_SAMPLES } from "./frame.ts";
import { Limiter } from "./limiter.ts";

const tone = (amplitude: number) =>
  Int32Array.from({ length: FRAME_SAMPLES }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * 5 * i) / FRAME_SAMPLES)),
  );

describe("limiter", () => {
  it("passes what fits unchanged", () => {
    const sum = tone(31_000);
    expect([...new Limiter().process(sum)]).toEqual([...sum]);
  });

  it("brings three loud talkers under full scale and keeps their shape", () => {
    const limiter = new Limiter();
    limiter.process(tone(90_000));
    const output = limiter.process(tone(90_000));
    expect(Math.max(...output)).toBeLessThanOrEqual(32_001);
    expect(Math.max(...output)).toBeGreaterThan(30_000);
  });

  it("never wraps or clips, whatever comes", () => {
    const frames = fc.array(
      fc.int32Array({ minLength: FRAME_SAMPLES, maxLength: FRAME_SAMPLES, min: -500_000, max: 500_000 }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(frames, (sums) => {
        const limiter = new Limiter();
        for (const sum of sums) {
          const output = limiter.process(sum);
          const wrong = output.filter((after, i) => Math.abs(after) > 32_001 || after * (sum[i] ?? 0) < 0);
          expect(wrong).toHaveLength(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("gives the level back within half a second", () => {
    const limiter = new Limiter();
    limiter.process(tone(120_000));
    let last = 0;
    for (let i = 0; i < 25; i++) last = Math.max(...limiter.process(tone(20_000)));
    expect(last).toBeGreaterThan(19_900);
  });
});
