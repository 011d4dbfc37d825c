import { FRAME_SAMPLES, type Frame } from "./frame.ts";

/** Highest sample that leaves the limiter. */
const CEILING = 32_000;
/** Samples over which the gain moves in a line, 2.5 ms. */
const STEP = 40;
/** Gain regained in one step: from half back to full in 200 ms. */
const RELEASE = 0.5 / 80;

/**
 * Brings a sum of talkers down to 16 bits without clipping. The frame in hand is the look-ahead: the gain reaches what a loud
 * step needs before that step begins, and comes back slowly.
 */
export class Limiter {
  #gain = 1;

  /** @param sum FRAME_SAMPLES samples, not clipped */
  process(sum: Int32Array): Frame {
    const output = new Int16Array(FRAME_SAMPLES);
    const needs = gainsNeeded(sum);
    if (needs === undefined && this.#gain === 1) {
      for (let i = 0; i < FRAME_SAMPLES; i++) output[i] = sum[i] ?? 0;
      return output;
    }
    const needOf = (step: number): number => needs?.[step] ?? 1;
    let gain = Math.min(this.#gain, needOf(0));
    for (let step = 0; step * STEP < FRAME_SAMPLES; step++) {
      const target = Math.min(needOf(step), needOf(step + 1), gain + RELEASE);
      const slope = (target - gain) / STEP;
      for (let i = 0; i < STEP; i++) {
        const at = step * STEP + i;
        output[at] = Math.round((sum[at] ?? 0) * (gain + slope * i));
      }
      gain = target;
    }
    this.#gain = gain;
    return output;
  }
}

/** For each step the gain that keeps it under the ceiling; undefined when none needs any. */
function gainsNeeded(sum: Int32Array): number[] | undefined {
  let loud = false;
  const needs: number[] = [];
  for (let start = 0; start < FRAME_SAMPLES; start += STEP) {
    let peak = 0;
    for (let i = start; i < start + STEP; i++) peak = Math.max(peak, Math.abs(sum[i] ?? 0));
    loud ||= peak > CEILING;
    needs.push(peak > CEILING ? CEILING / peak : 1);
  }
  return loud ? needs : undefined;
}
