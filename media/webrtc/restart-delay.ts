const FIRST_MS = 100;
const LONGEST_MS = 60_000;

/** How long to wait before worker number `attempt` (from 1) of a row of failures. Doubles up to a minute. */
export const restartDelayOf = (attempt: number): number =>
  Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, attempt - 1));
