/** Longest wait between attempts, in ms. */
const LONGEST_MS = 8_000;

/**
 * How long to wait before attempt `attempt` (0 is the first): at once, then 0.5 s doubling to 8 s, spread so that the
 * consoles of a site do not all come back in the same instant.
 *
 * @param random 0 to 1
 */
export const retryDelayOf = (attempt: number, random: number): number =>
  attempt === 0 ? 0 : Math.min(250 * 2 ** attempt, LONGEST_MS) * (0.5 + random / 2);
