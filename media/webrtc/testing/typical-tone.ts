import { toneOverRestDb, type Samples } from "#test/peers/audio/measures.ts";

const WINDOW_MS = 100;

/**
 * How far a tone stands above the rest in the typical tenth of a second (the median), in dB. A single frame that a busy test machine
 * delayed does not decide; a wrong, noisy or missing tone does.
 */
export function typicalToneDb(samples: Samples, rate: number, hz: number): number {
  const size = Math.round((rate * WINDOW_MS) / 1_000);
  const windows: number[] = [];
  for (let at = 0; at + size <= samples.length; at += size)
    windows.push(toneOverRestDb(samples.subarray(at, at + size), rate, hz));
  windows.sort((a, b) => a - b);
  return windows[windows.length >> 1] ?? -Infinity;
}
