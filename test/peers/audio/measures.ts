/** Audio to measure: 16-bit samples, or floats with full scale 1. */
export type Samples = Int16Array | Float32Array;

/** What no audio at all measures, in dB. */
export const NO_SIGNAL_DB = -120;
const BLOCK_MS = 50;
const TYPICAL_MS = 100;
const TONE_WINDOW_MS = 20;
const TONE_STEP_MS = 10;

const scaleOf = (samples: Samples): number => (samples instanceof Int16Array ? 1 / 32_768 : 1);
const decibels = (power: number): number => (power <= 1e-12 ? NO_SIGNAL_DB : 10 * Math.log10(power));

function powerOf(samples: Samples): number {
  const scale = scaleOf(samples);
  let sum = 0;
  for (const sample of samples) sum += (sample * scale) ** 2;
  return samples.length === 0 ? 0 : sum / samples.length;
}

/** Level in dB below full scale. */
export const rmsDb = (samples: Samples): number => decibels(powerOf(samples));

/** The level of the loudest 20 ms. */
export function loudestDb(samples: Samples, rate: number): number {
  const step = Math.max(1, Math.round(rate / 50));
  let loudest = NO_SIGNAL_DB;
  for (let at = 0; at < samples.length; at += step)
    loudest = Math.max(loudest, rmsDb(samples.subarray(at, at + step)));
  return loudest;
}

/** True when no 20 ms of it is louder than `belowDb`. Nothing received is silence too. */
export const isSilent = (samples: Samples, rate: number, belowDb = -50): boolean =>
  loudestDb(samples, rate) < belowDb;

/**
 * How far the tone of `hz` stands above everything else, in dB: the sine that fits best, block by block, against what
 * is left. A clean tone through G.711 measures 35 or more, another tone -30 or less.
 */
export function toneOverRestDb(samples: Samples, rate: number, hz: number): number {
  const block = Math.round((rate * BLOCK_MS) / 1_000);
  let [tone, rest] = [0, 0];
  for (let at = 0; at + block <= samples.length; at += block) {
    const part = samples.subarray(at, at + block);
    const fitted = tonePower(part, rate, hz);
    tone += fitted;
    rest += Math.max(0, powerOf(part) - fitted);
  }
  if (tone <= 1e-12) return NO_SIGNAL_DB;
  return Math.min(-NO_SIGNAL_DB, 10 * Math.log10(tone / Math.max(rest, 1e-12)));
}

/**
 * The same in the typical tenth of a second (the median). A frame that a busy machine delayed does not decide; a wrong, noisy or
 * missing tone does.
 */
export function typicalToneDb(samples: Samples, rate: number, hz: number): number {
  const window = Math.round((rate * TYPICAL_MS) / 1_000);
  const levels: number[] = [];
  for (let at = 0; at + window <= samples.length; at += window)
    levels.push(toneOverRestDb(samples.subarray(at, at + window), rate, hz));
  return levels.sort((a, b) => a - b)[levels.length >> 1] ?? -Infinity;
}

/** Power of the best fitting sine of a frequency (least squares on its cosine and sine), full scale 1. */
export function tonePower(samples: Samples, rate: number, hz: number): number {
  const scale = scaleOf(samples);
  let [cc, ss, cs, xc, xs] = [0, 0, 0, 0, 0];
  for (let i = 0; i < samples.length; i++) {
    const angle = (2 * Math.PI * hz * i) / rate;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const x = (samples[i] ?? 0) * scale;
    cc += c * c;
    ss += s * s;
    cs += c * s;
    xc += x * c;
    xs += x * s;
  }
  const determinant = cc * ss - cs * cs;
  if (samples.length < 2 || determinant < 1e-9) return 0;
  const a = (xc * ss - xs * cs) / determinant;
  const b = (xs * cc - xc * cs) / determinant;
  return (a * xc + b * xs) / samples.length;
}

/**
 * For how many milliseconds exactly these frequencies sounded together: each within 8 dB of the strongest, and all of
 * them nearly all there is. Looks through a window of 20 ms, so each burst measures up to 20 ms short.
 */
export function tonesMs(samples: Samples, rate: number, frequencies: readonly number[]): number {
  const window = Math.round((rate * TONE_WINDOW_MS) / 1_000);
  const step = Math.round((rate * TONE_STEP_MS) / 1_000);
  let steps = 0;
  for (let at = 0; at + window <= samples.length; at += step) {
    const part = samples.subarray(at, at + window);
    const total = powerOf(part);
    if (decibels(total) < -45) continue;
    const powers = frequencies.map((hz) => tonePower(part, rate, hz));
    const strongest = Math.max(...powers);
    const sum = powers.reduce((a, b) => a + b, 0);
    if (powers.every((power) => power > strongest / 6.3) && sum > 0.8 * total) steps++;
  }
  return steps * TONE_STEP_MS;
}

/** Reads audio at another rate: linear interpolation behind a moving average, good enough for measuring in telephone band. */
export function atRate(samples: Samples, from: number, to: number): Float32Array {
  const scale = scaleOf(samples);
  const ratio = from / to;
  const span = Math.max(1, Math.round(ratio));
  const out = new Float32Array(Math.floor(samples.length / ratio));
  for (let i = 0; i < out.length; i++) {
    const at = i * ratio;
    let sum = 0;
    for (let k = 0; k < span; k++) {
      const low = Math.floor(at + k);
      const part = at + k - low;
      sum += (samples[low] ?? 0) * (1 - part) + (samples[low + 1] ?? 0) * part;
    }
    out[i] = (sum / span) * scale;
  }
  return out;
}
