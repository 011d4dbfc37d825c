import type { Clock } from "#common/clock.ts";

/**
 * So many beats that a stall delayed are made up for. The radio's far side has played out what it had by then, so that this fills
 * its queue again (chan_usrp throws its queue away beyond 25 frames); leaving them out would cut speech.
 */
const MADE_UP = 10;

/**
 * Runs a task every `intervalMs` without drifting. Beats beyond MADE_UP that a stall made impossible are left out. The first
 * one comes after one interval; the returned function stops it.
 */
export function startBeat(clock: Clock, intervalMs: number, task: () => void): () => void {
  let next = clock.now() + intervalMs;
  let cancel = clock.after(intervalMs, beat);
  let stopped = false;
  function beat(): void {
    task();
    if (stopped) return;
    const now = clock.now();
    next = Math.max(next + intervalMs, now - (MADE_UP - 2) * intervalMs);
    // Each by itself: between them the datagrams are read that a stall kept waiting.
    cancel = clock.after(Math.max(0, next - now), beat);
  }
  return () => {
    stopped = true;
    cancel();
  };
}
