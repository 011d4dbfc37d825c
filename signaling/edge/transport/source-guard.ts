import { LRUCache } from "lru-cache";
import type { Clock } from "#common/clock.ts";

export interface GuardLimits {
  /** Messages a second from one address; a trunk at 1,200 calls a second stays below. */
  readonly messagesPerSecond: number;
  /** Malformed messages in one window before an address is no longer read. */
  readonly malformedPerWindow: number;
  readonly windowMs: number;
  readonly banMs: number;
}

export const GUARD_LIMITS: GuardLimits = {
  messagesPerSecond: 20_000,
  malformedPerWindow: 100,
  windowMs: 10_000,
  banMs: 60_000,
};
/** Addresses remembered; beyond it the longest silent are forgotten. */
const MAX_SOURCES = 10_000;

export interface SourceGuard {
  /** Called for every message: whether it is to be read. */
  admit(host: string): "read" | "rate-limited" | "banned";
  /** Notes a malformed one; scanners are banned for a while, and get no answers that a spoofed address could suffer from. */
  malformed(host: string): void;
}

interface Source {
  second: number;
  messages: number;
  window: number;
  malformed: number;
  bannedUntilMs: number;
}

/** Counts messages by source address. */
export function createSourceGuard(clock: Clock, limits: GuardLimits = GUARD_LIMITS): SourceGuard {
  const sources = new LRUCache<string, Source>({ max: MAX_SOURCES });
  const sourceOf = (host: string): Source => {
    let source = sources.get(host);
    if (!source) {
      source = { second: 0, messages: 0, window: 0, malformed: 0, bannedUntilMs: 0 };
      sources.set(host, source);
    }
    return source;
  };
  return {
    admit(host) {
      const now = clock.now();
      const source = sourceOf(host);
      if (source.bannedUntilMs > now) return "banned";
      const second = Math.floor(now / 1_000);
      if (source.second !== second) {
        source.second = second;
        source.messages = 0;
      }
      return ++source.messages > limits.messagesPerSecond ? "rate-limited" : "read";
    },
    malformed(host) {
      const now = clock.now();
      const source = sourceOf(host);
      const window = Math.floor(now / limits.windowMs);
      if (source.window !== window) {
        source.window = window;
        source.malformed = 0;
      }
      if (++source.malformed > limits.malformedPerWindow) source.bannedUntilMs = now + limits.banMs;
    },
  };
}
