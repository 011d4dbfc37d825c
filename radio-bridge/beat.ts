import type { Clock } from "#common/clock.ts";

/**
 * Runs a task every `intervalMs` without drifting. Beats that a stall made impossible are left out, never made up for in a
 * burst. The first one comes after one interval; the returned function stops it.
 */
export function startBeat(clock: Clock, intervalMs: number, task: () => void): () => void {
  let next = clock.now() + intervalMs;
  let cancel = clock.after(intervalMs, beat);
  let stopped = false;
  function beat(): void {
    task();
    if (stopped) return;
    next += intervalMs;
    const now = clock.now();
    if (next <= now) next = now + intervalMs;
    cancel = clock.after(next - now, beat);
  }
  return () => {
    stopped = true;
    cancel();
  };
}
