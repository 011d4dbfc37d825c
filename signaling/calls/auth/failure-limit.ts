import { LRUCache } from "lru-cache";
import type { Clock } from "#common/clock.ts";

/** Window over which failures are counted, in ms. */
const WINDOW_MS = 60_000;
/** One name from one address: stops a phone with an old password, and guessing at one account. */
const MAX_FAILURES_OF_NAME = 10;
/** All names from one address: stops a scanner, yet leaves an office behind one address some mistakes. */
const MAX_FAILURES_OF_HOST = 100;
const ENTRIES = 20_000;

/** Counts wrong passwords by source. Each process counts what it sees: a limit on guessing, not a ledger. */
export interface FailureLimit {
  /** Seconds to wait before this name is tried from this address again; 0 when it may be tried now. */
  waitSeconds(host: string, username: string): number;
  fail(host: string, username: string): void;
  /** A right password forgives the name's failures. */
  succeed(host: string, username: string): void;
}

export function createFailureLimit(clock: Pick<Clock, "now">): FailureLimit {
  const counts = new LRUCache<string, { count: number; sinceMs: number }>({ max: ENTRIES });
  const current = (key: string) => {
    const entry = counts.get(key);
    return entry && clock.now() - entry.sinceMs < WINDOW_MS ? entry : undefined;
  };
  const add = (key: string) => {
    const entry = current(key);
    counts.set(key, { count: (entry?.count ?? 0) + 1, sinceMs: entry?.sinceMs ?? clock.now() });
  };
  const waitOf = (key: string, max: number) => {
    const entry = current(key);
    return entry && entry.count >= max ? Math.ceil((entry.sinceMs + WINDOW_MS - clock.now()) / 1_000) : 0;
  };
  const nameKey = (host: string, username: string) => `${host}\0${username.slice(0, 64)}`;
  return {
    waitSeconds: (host, username) =>
      Math.max(waitOf(host, MAX_FAILURES_OF_HOST), waitOf(nameKey(host, username), MAX_FAILURES_OF_NAME)),
    fail(host, username) {
      add(host);
      add(nameKey(host, username));
    },
    succeed(host, username) {
      counts.delete(nameKey(host, username));
    },
  };
}
