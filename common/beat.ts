/**
 * Runs `task` at each whole multiple of `ms` of the wall clock. Everything of a machine that repeats slowly beats together
 * this way, in all processes: an idle system wakes its processor a few times a second and not once for each timer.
 *
 * @returns a function that ends it, any number of times
 */
export function everyBeat(ms: number, task: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    timer = setTimeout(
      () => {
        arm();
        task();
      },
      // A timer may fire a little early: one beat is never run twice.
      ms - ((Date.now() + EARLY_MS) % ms) + EARLY_MS,
    ).unref();
  };
  arm();
  return () => {
    clearTimeout(timer);
  };
}

const EARLY_MS = 5;
