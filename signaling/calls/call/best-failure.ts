/** Statuses that mean nothing to a caller who did not challenge, redirect or route: the callee is just not reached. */
const NOT_FOR_CALLER: ReadonlySet<number> = new Set([401, 407, 408, 481, 482, 483, 503]);

/** RFC 3261 §16.7 item 6: a 6xx, else one of the lowest class; busy before the others of its class. */
export function bestFailure(statuses: readonly number[]): number {
  const told = statuses.map((status) => (status < 400 || NOT_FOR_CALLER.has(status) ? 480 : status));
  const rank = (status: number) =>
    status >= 600 ? 0 : Math.floor(status / 100) * 10 + (status === 486 ? 0 : status === 480 ? 2 : 1);
  return told.toSorted((a, b) => rank(a) - rank(b))[0] ?? 480;
}
