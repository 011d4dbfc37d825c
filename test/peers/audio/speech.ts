import { fft } from "./fft.ts";
import type { Samples } from "./measures.ts";

/** Short, so that where a jitter buffer stretched the time line costs one of many. */
const SEGMENT_S = 0.25;
/** How far a segment may lie from where the whole fits best, in s. */
const WANDER_S = 0.5;
/** What a change of the delay between two segments costs: a share of the segment's own weight. Chance likenesses do not pay it. */
const SHIFT_COST = 0.3;

export interface Match {
  /** 1 the same waveform, 0 nothing alike. Good G.711 gives more than 0.8, other speech less than 0.3. */
  readonly correlation: number;
  /** Where in `received` the reference begins, in samples. */
  readonly offset: number;
}

/** The best way to lay the segments so far, for each delay of the newest: its score with the costs, and the likeness without. */
interface Path {
  readonly score: Float64Array;
  readonly likeness: Float64Array;
}

/**
 * How much of a reference is heard in a recording of the same rate: the place where it fits best, then quarter second by quarter
 * second the correlation of the two waveforms, weighted by how loud the reference is there. The delay may change on the way, as
 * it does behind a jitter buffer when a sender or the network stalls; what was left out, or made up, counts as not heard.
 */
export function speechMatch(reference: Samples, received: Samples, rate = 8_000): Match {
  if (reference.length === 0 || received.length === 0) return { correlation: 0, offset: 0 };
  const offset = bestOffset(reference, received);
  const segment = Math.round(SEGMENT_S * rate);
  const wander = Math.round(WANDER_S * rate);
  const delays = 2 * wander + 1;
  let path: Path = { score: new Float64Array(delays), likeness: new Float64Array(delays) };
  let weight = 0;
  for (let at = 0; at < reference.length; at += segment) {
    const part = reference.subarray(at, at + segment);
    const energy = energyOf(part);
    path = extend(path, energy, correlations(part, received, offset + at - wander, delays));
    weight += energy;
  }
  const likeness = path.likeness[indexOfMost(path.score)] ?? 0;
  return { correlation: weight === 0 ? 0 : likeness / weight, offset };
}

/** The correlation alone; see `speechMatch`. */
export const speechCorrelation = (reference: Samples, received: Samples, rate = 8_000): number =>
  speechMatch(reference, received, rate).correlation;

/** One segment more: each delay goes on from itself, or from the best so far at a cost. */
function extend({ score, likeness }: Path, energy: number, alike: Float64Array): Path {
  const best = indexOfMost(score);
  const jump = at(score, best) - SHIFT_COST * energy;
  const from = score.map((stay, delay) => (stay >= jump ? delay : best));
  return {
    score: score.map((stay, delay) => Math.max(stay, jump) + energy * at(alike, delay)),
    likeness: from.map((before, delay) => at(likeness, before) + energy * at(alike, delay)),
  };
}

/** The correlation of a part with a recording at `count` places from `from` on; 0 where it is unlike or there is nothing. */
function correlations(part: Samples, received: Samples, from: number, count: number): Float64Array {
  const near = Float64Array.from({ length: part.length + count - 1 }, (_, i) => received[from + i] ?? 0);
  const products = crossProducts(part, near);
  const energy = energyOf(part);
  // Less than this is what the sums leave over where there is nothing.
  const nothing = 1e-9 * energyOf(near);
  // The recording's energy under the part, kept up as it slides.
  let under = energyOf(near.subarray(0, part.length));
  return Float64Array.from({ length: count }, (_, place) => {
    const alike = under > nothing ? at(products, place) / Math.sqrt(energy * under) : 0;
    under += at(near, place + part.length) ** 2 - at(near, place) ** 2;
    return energy > 0 ? Math.max(0, alike) : 0;
  });
}

function energyOf(samples: Samples | Float64Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum;
}

/** The offset of the highest cross-correlation; negative when the recording began late. */
function bestOffset(reference: Samples, received: Samples): number {
  const products = crossProducts(reference, received);
  const best = indexOfMost(products);
  return best < received.length ? best : best - products.length;
}

/** At each offset, the sum over the products of the two waveforms; negative offsets at the end. */
function crossProducts(reference: Samples, received: Samples | Float64Array): Float64Array {
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
    const [ar, ai, br, bi] = [at(are, i), at(aim, i), at(bre, i), at(bim, i)];
    are[i] = ar * br + ai * bi;
    aim[i] = ai * br - ar * bi;
  }
  fft(are, aim, true);
  return are.map((product) => product / size);
}

function indexOfMost(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (at(values, i) > at(values, best)) best = i;
  return best;
}

const at = (values: Float64Array, i: number): number => values[i] ?? 0;
