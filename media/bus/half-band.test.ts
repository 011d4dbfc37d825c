import { describe, expect, it } from "vitest";
import { Downsampler, Upsampler } from "./half-band.ts";
import { toneShare } from "./measure.ts";

const FRAME = 160;

function tone(hz: number, rate: number, count: number): Int16Array {
  return Int16Array.from({ length: count }, (_, i) =>
    Math.round(10_000 * Math.sin((2 * Math.PI * hz * i) / rate)),
  );
}

function stream(
  filter: { process(input: Int16Array): Int16Array },
  input: Int16Array,
  size: number,
): Int16Array {
  const output: number[] = [];
  for (let at = 0; at < input.length; at += size)
    output.push(...filter.process(input.subarray(at, at + size)));
  return Int16Array.from(output);
}

const peak = (pcm: Int16Array) => Math.max(...pcm.slice(200).map(Math.abs));

describe("half-band resampling", () => {
  it.each([300, 1_000, 2_000, 3_400])("carries %i Hz up and down at its level and clean", (hz) => {
    const up = stream(new Upsampler(FRAME), tone(hz, 8_000, 50 * FRAME), FRAME);
    expect(peak(up) / 10_000).toBeGreaterThan(0.97);
    expect(peak(up) / 10_000).toBeLessThan(1.03);
    expect(toneShare(up.subarray(320), hz, 16_000).aboveRestDb).toBeGreaterThan(50);
    const down = stream(new Downsampler(FRAME), up, 2 * FRAME);
    expect(toneShare(down.subarray(320), hz, 8_000).aboveRestDb).toBeGreaterThan(50);
  });

  it.each([4_700, 6_000, 7_500])("lets nothing of %i Hz through to 8 kHz", (hz) => {
    const down = stream(new Downsampler(FRAME), tone(hz, 16_000, 100 * FRAME), 2 * FRAME);
    expect(20 * Math.log10(peak(down) / 10_000)).toBeLessThan(-58);
  });

  it("clips a full-scale square wave instead of wrapping it", () => {
    const square = Int16Array.from({ length: 20 * FRAME }, (_, i) => (i % 16 < 8 ? 32_767 : -32_768));
    const up = stream(new Upsampler(FRAME), square, FRAME).subarray(400);
    const jumps = up.slice(1).map((value, i) => Math.abs(value - (up[i] ?? 0)));
    expect(Math.max(...jumps)).toBeLessThan(60_000);
  });

  it("continues another one's stream without a step", () => {
    const input = tone(500, 16_000, 20 * FRAME);
    const [whole, first, second] = [new Downsampler(FRAME), new Downsampler(FRAME), new Downsampler(FRAME)];
    const expected = stream(whole, input, 2 * FRAME);
    const half = 10 * FRAME;
    const start = stream(first, input.subarray(0, half), 2 * FRAME);
    second.continueFrom(first);
    expect([...start, ...stream(second, input.subarray(half), 2 * FRAME)]).toEqual([...expected]);
  });
});
