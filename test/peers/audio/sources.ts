import { readFileSync } from "node:fs";
import { readWav } from "./wav.ts";

/** Where a peer takes the audio it sends: `next(n)` gives n samples at 8 kHz and keeps its place. */
export interface AudioSource {
  next(count: number): Int16Array;
  /** True once a source of limited length has given everything. */
  readonly ended: boolean;
}

export const RATE = 8_000;
export const FRAME_SAMPLES = 160;
const FULL_SCALE = 32_767;

/** A sine of `db` dBFS (peak) that goes on, phase continuous, until it is stopped or for `ms`. */
export function toneSource(
  hz: number,
  { db = -10, ms = Infinity }: { db?: number; ms?: number } = {},
): AudioSource {
  const amplitude = FULL_SCALE * 10 ** (db / 20);
  const total = (ms * RATE) / 1_000;
  let at = 0;
  return {
    next(count) {
      const frame = new Int16Array(count);
      for (let i = 0; i < count && at < total; i++, at++)
        frame[i] = Math.round(amplitude * Math.sin((2 * Math.PI * hz * at) / RATE));
      return frame;
    },
    get ended() {
      return at >= total;
    },
  };
}

/** Plays samples once, or for ever. */
export function sampleSource(samples: Int16Array, { loop = false } = {}): AudioSource {
  let at = 0;
  return {
    next(count) {
      const frame = new Int16Array(count);
      for (let i = 0; i < count; i++) {
        if (at >= samples.length && loop) at = 0;
        frame[i] = samples[at++] ?? 0;
      }
      return frame;
    },
    get ended() {
      return !loop && at >= samples.length;
    },
  };
}

/** Digital silence that goes on until it is stopped. */
export const silenceSource = (): AudioSource => ({ next: (count) => new Int16Array(count), ended: false });

/** The tests' speech: 3.4 s, 8 kHz, telephone band, -6 dBFS peak. */
export function speechSample(): Int16Array {
  const { samples } = readWav(readFileSync(new URL("../../fixtures/speech-8k.wav", import.meta.url)));
  return samples;
}
