import { fft } from "./fft.ts";
import type { Samples } from "./measures.ts";

const SEGMENT_S = 1;
/** A jitter buffer may shift one segment against another by this much, in s. */
const SHIFT_S = 0.05;

export interface Match {
  /** 1 the same waveform, 0 nothing alike. Good G.711 gives more than 0.8, other speech less than 0.3. */
  readonly correlation: number;
  /** Where in `received` the reference begins, in samples. */
  readonly offset: number;
}

/**
 * How much of a reference is heard in a recording of the same rate: the place where it fits best, then second by second
 * the correlation of the two waveforms, weighted by how loud the reference is there.
 */
export function speechMatch(reference: Samples, received: Samples, rate = 8_000): Match {
  if (reference.length === 0 || received.length === 0) return { correlation: 0, offset: 0 };
  const offset = bestOffset(reference, received);
  const segment = Math.round(SEGMENT_S * rate);
  const shift = Math.round(SHIFT_S * rate);
  let [sum, weight] = [0, 0];
  for (let at = 0; at < reference.length; at += segment) {
    const part = reference.subarray(at, at + segment);
    const energy = energyOf(part);
    const from = Math.max(0, offset + at - shift);
    const near = received.subarray(from, Math.max(from, offset + at + part.length + shift));
    sum += energy * similarity(part, near, bestOffset(part, near));
    weight += energy;
  }
  return { correlation: weight === 0 ? 0 : sum / weight, offset };
}

/** The correlation alone; see `speechMatch`. */
export const speechCorrelation = (reference: Samples, received: Samples, rate = 8_000): number =>
  speechMatch(reference, received, rate).correlation;

function energyOf(samples: Samples): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum;
}

function similarity(reference: Samples, received: Samples, offset: number): number {
  let [xy, yy] = [0, 0];
  for (let i = 0; i < reference.length; i++) {
    const y = received[offset + i] ?? 0;
    xy += (reference[i] ?? 0) * y;
    yy += y * y;
  }
  const scale = Math.sqrt(energyOf(reference) * yy);
  return scale === 0 ? 0 : Math.max(0, xy / scale);
}

/** The offset of the highest cross-correlation; negative when the recording began late. */
function bestOffset(reference: Samples, received: Samples): number {
  let size = 1;
  while (size < reference.length + received.length) size *= 2;
  const [are, aim, bre, bim] = [1, 2, 3, 4].map(() => new Float64Array(size)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  are.set(received);
  bre.set(reference);
  fft(are, aim);
  fft(bre, bim);
  for (let i = 0; i < size; i++) {
    const [ar, ai, br, bi] = [are[i] ?? 0, aim[i] ?? 0, bre[i] ?? 0, bim[i] ?? 0];
    are[i] = ar * br + ai * bi;
    aim[i] = ai * br - ar * bi;
  }
  fft(are, aim, true);
  let best = 0;
  for (let i = 1; i < size; i++) if ((are[i] ?? 0) > (are[best] ?? 0)) best = i;
  return best < received.length ? best : best - size;
}
