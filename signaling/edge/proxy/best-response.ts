/** Failures that tell the caller how to ask again go before others of their class (RFC 3261 §16.7 step 6). */
const HELPFUL: ReadonlySet<number> = new Set([401, 407, 415, 420, 484]);

/** Which of two failures is passed back: any 6xx first, else the lower class, in it what helps the caller, else the first. */
export function better(first: string | undefined, second: string): string {
  if (first === undefined) return second;
  return rankOf(statusOf(second)) < rankOf(statusOf(first)) ? second : first;
}

/**
 * The best failure as it is passed back: with the challenges of all who asked for credentials (§16.7 step 7), and a 503 as
 * 500, because it would say that we are overloaded ourselves (step 6).
 *
 * @param challenges header lines of the other failures
 */
export function finalFailure(best: string, challenges: readonly string[]): string {
  const status = statusOf(best);
  if (status === 503) return best.replace(/^SIP\/2\.0 503[^\r]*/, "SIP/2.0 500 Server Internal Error");
  if (status !== 401 && status !== 407) return best;
  const missing = challenges.filter((line) => !best.includes(line));
  return missing.length === 0 ? best : best.replace("\r\n\r\n", () => `\r\n${missing.join("\r\n")}\r\n\r\n`);
}

/** The challenges in a response, as header lines. */
export const challengesIn = (response: string): readonly string[] =>
  response
    .slice(0, response.indexOf("\r\n\r\n"))
    .split("\r\n")
    .filter((line) => /^(?:www|proxy)-authenticate\s*:/i.test(line));

const statusOf = (response: string): number => Number(response.slice(8, 11));

function rankOf(status: number): number {
  if (status >= 600) return 0;
  return Math.floor(status / 100) * 2 - (HELPFUL.has(status) ? 1 : 0);
}
