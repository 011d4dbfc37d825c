/** A stall longer than this is not made up for, in intervals: a device that slept has lost that time. */
const MAX_CATCH_UP = 25;

/**
 * Runs a task every `intervalMs` without drifting; after a short stall it makes up for the missed runs, as a device with
 * its own sample clock would. The returned function stops it.
 */
export function pace(intervalMs: number, task: () => void): () => void {
  let next = performance.now();
  let timer: NodeJS.Timeout;
  let stopped = false;
  const run = () => {
    while (!stopped && next <= performance.now() + 0.5) {
      const now = performance.now();
      if (now - next > MAX_CATCH_UP * intervalMs) next = now;
      next += intervalMs;
      task();
    }
    if (!stopped) timer = setTimeout(run, Math.max(1, next - performance.now()));
  };
  timer = setTimeout(run, 0);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
