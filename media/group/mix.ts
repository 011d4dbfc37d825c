import { FRAME_SAMPLES, type Frame } from "#media/bus/frame.ts";

/** What several talkers say at once, not clipped. */
export function sumOf(frames: Iterable<Frame>): Int32Array {
  const sum = new Int32Array(FRAME_SAMPLES);
  for (const frame of frames)
    for (let i = 0; i < FRAME_SAMPLES; i++) sum[i] = (sum[i] ?? 0) + (frame[i] ?? 0);
  return sum;
}

/** The same without one of them: exact, because the sum was never clipped. */
export function minus(sum: Int32Array, own: Frame): Int32Array {
  const rest = new Int32Array(FRAME_SAMPLES);
  for (let i = 0; i < FRAME_SAMPLES; i++) rest[i] = (sum[i] ?? 0) - (own[i] ?? 0);
  return rest;
}
