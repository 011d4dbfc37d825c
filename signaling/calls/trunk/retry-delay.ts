/** First wait after a failure, and the longest, in ms. */
const FIRST_MS = 5_000;
const LONGEST_MS = 300_000;
/** The longest that a peer may send us away for, in ms. */
const LONGEST_ASKED_MS = 3_600_000;

/**
 * How long to wait after so many failures: twice as long each time, and up to a fifth longer by a share that follows from
 * the name, so that many do not come back in the same moment (RFC 5626 §4.5).
 */
export function retryDelayOf(name: string, fails: number, askedS?: number): number {
  if (askedS !== undefined && askedS > 0) return Math.min(askedS * 1_000, LONGEST_ASKED_MS);
  const wait = Math.min(FIRST_MS * 2 ** Math.min(fails - 1, 10), LONGEST_MS);
  let hash = fails;
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) >>> 0;
  return Math.round(wait * (1 + (hash % 1_000) / 5_000));
}
