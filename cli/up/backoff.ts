const FIRST_MS = 200;
const LONGEST_MS = 5_000;
/** A process that ran this long is healthy again: its next death starts from the shortest wait. */
const HEALTHY_MS = 30_000;

/**
 * Time to wait before a dead process is started again, in ms.
 *
 * @param deaths how often it died in a row, this time included
 * @param ranMs how long it ran this time
 */
export function restartDelayOf(
  deaths: number,
  ranMs: number,
): { readonly delayMs: number; readonly deaths: number } {
  const inARow = ranMs >= HEALTHY_MS ? 1 : deaths;
  return { delayMs: Math.min(FIRST_MS * 2 ** (inARow - 1), LONGEST_MS), deaths: inARow };
}
