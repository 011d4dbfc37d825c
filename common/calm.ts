/**
 * Lets one line through, then none for a while, then one that says how many were kept back: a log that grows with the
 * traffic fills the disk in the very hour when something is wrong.
 *
 * @param write called with the number of lines kept back since the last one, which may be 0
 * @param everyMs the least time between two lines
 */
export function calm<Args extends readonly unknown[]>(
  write: (keptBack: number, ...args: Args) => void,
  everyMs = 1_000,
  now: () => number = Date.now,
): (...args: Args) => void {
  let lastMs = -Infinity;
  let keptBack = 0;
  return (...args) => {
    const nowMs = now();
    if (nowMs - lastMs < everyMs) {
      keptBack++;
      return;
    }
    lastMs = nowMs;
    write(keptBack, ...args);
    keptBack = 0;
  };
}
