/** How long a loss is bridged before it is silence, in ms: longer sounds like a robot. */
export const CONCEAL_MS = 60;
/** Shortest and longest pitch period looked for, in ms: voices of 400 to 67 Hz. */
const SHORTEST_LAG_MS = 2.5;
const LONGEST_LAG_MS = 15;
/** Overlap in which real audio takes over again, in ms. */
const OVERLAP_MS = 4;

/** Fills gaps of one talker's audio with its last pitch period, fading. Frame by frame, at the talker's own rate. */
export class Concealment {
  readonly #rate: number;
  readonly #size: number;
  /** The two frames before the gap. */
  readonly #past: Int16Array;
  #lag = 0;
  /** Samples made up since the last real one; 0 outside a gap. */
  #made = 0;
  #known = false;

  constructor(rate: number, frameSamples: number) {
    this.#rate = rate;
    this.#size = frameSamples;
    this.#past = new Int16Array(2 * frameSamples);
  }

  /** True when there is nothing to repeat: no audio yet, or a gap that has lasted too long. */
  get exhausted(): boolean {
    return !this.#known || this.#made >= (CONCEAL_MS * this.#rate) / 1_000;
  }

  /** Notes a frame of real audio, blending its beginning into what was made up before it. Changes `frame`. */
  resume(frame: Int16Array): void {
    this.#known = true;
    if (this.#made > 0) {
      const overlap = (OVERLAP_MS * this.#rate) / 1_000;
      for (let i = 0; i < overlap; i++) {
        const share = (i + 1) / (overlap + 1);
        frame[i] = Math.round((frame[i] ?? 0) * share + this.#sample(this.#made + i) * (1 - share));
      }
      this.#made = 0;
    }
    this.#past.copyWithin(0, this.#size);
    this.#past.set(frame, this.#size);
  }

  /** The next frame of a gap. */
  fill(): Int16Array {
    const frame = this.preview();
    this.#made += this.#size;
    return frame;
  }

  /** What `fill` would give, for a frame that lacks only some samples. */
  preview(): Int16Array {
    if (this.#made === 0) this.#lag = pitchLag(this.#past, this.#rate);
    return Int16Array.from({ length: this.#size }, (_, i) => this.#sample(this.#made + i));
  }

  /** Forgets the past: what comes next has nothing to do with it. */
  reset(): void {
    this.#past.fill(0);
    this.#made = 0;
    this.#known = false;
  }

  /** The sample that follows the real ones by `index`: the last period again, full for 20 ms, then fading to nothing. */
  #sample(index: number): number {
    const end = (CONCEAL_MS * this.#rate) / 1_000;
    const gain = Math.max(0, Math.min(1, (end - index) / (end - this.#size)));
    const at = this.#past.length - this.#lag + (index % Math.max(1, this.#lag));
    return Math.round(gain * (this.#past[at] ?? 0));
  }
}

/** The distance at which the latest audio is most like itself (normalized correlation), in samples. */
function pitchLag(past: Int16Array, rate: number): number {
  const shortest = Math.round((SHORTEST_LAG_MS * rate) / 1_000);
  const longest = Math.round((LONGEST_LAG_MS * rate) / 1_000);
  const span = Math.round(rate / 100);
  const from = past.length - span;
  let [best, bestScore] = [longest, -Infinity];
  for (let lag = shortest; lag <= longest; lag++) {
    let [product, energy] = [0, 1];
    for (let i = from; i < past.length; i++) {
      const earlier = past[i - lag] ?? 0;
      product += (past[i] ?? 0) * earlier;
      energy += earlier * earlier;
    }
    const score = product / Math.sqrt(energy);
    if (score > bestScore) [best, bestScore] = [lag, score];
  }
  return best;
}
