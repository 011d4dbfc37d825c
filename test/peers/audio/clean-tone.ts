import { toneOverRestDb } from "./measures.ts";
import type { Recording } from "./recording.ts";
import { RATE } from "./sources.ts";

/** A tone is clean when it stands so far above everything else, in dB. */
const CLEAN_DB = 20;
const DEADLINE_MS = 10_000;

/**
 * Waits for `ms` in a row in which a tone is clean, and returns them: once in a while a busy machine delays a frame; one that
 * carries no clean tone never gets there.
 */
export async function cleanTone(
  heard: Recording,
  hz: number,
  { fromMs, ms = 1_000 }: { fromMs: number; ms?: number },
): Promise<Int16Array> {
  const count = (ms * RATE) / 1_000;
  const latest = (audio: Int16Array) => audio.subarray(-count);
  const audio = await heard.until(
    (all) => all.length >= count && toneOverRestDb(latest(all), RATE, hz) > CLEAN_DB,
    { what: `${ms} ms of a clean ${hz} Hz tone`, fromMs, deadlineMs: DEADLINE_MS },
  );
  return latest(audio);
}
