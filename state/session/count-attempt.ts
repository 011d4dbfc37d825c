import type { RedisConnection } from "#state/redis/connection.ts";
import { defineScript } from "#state/redis/script.ts";
import { attemptsKey } from "./session.keys.ts";

export interface AttemptCount {
  /** Attempts in this window, the new one included. */
  readonly attempts: number;
  /** Until the count starts anew. */
  readonly windowLeftMs: number;
}

/** Length of the window in which sign-in attempts are counted, in ms. */
export const ATTEMPT_WINDOW_MS = 60_000;

const countScript = defineScript({
  source: new URL("./count-attempt.lua", import.meta.url),
  keys: ["attempts"],
  args: ["windowMs"],
  reply(raw): AttemptCount {
    const [attempts, windowLeftMs] = raw as [number, number];
    return { attempts, windowLeftMs };
  },
});

/** Counts one sign-in attempt of a source address or of a user, across every api process. */
export const countAttempt = (
  redis: RedisConnection,
  kind: "source" | "user",
  name: string,
): Promise<AttemptCount> =>
  countScript(redis, { attempts: attemptsKey(kind, name) }, { windowMs: ATTEMPT_WINDOW_MS });

/** A right password clears what wrong ones of that user left. */
export async function forgetAttempts(redis: RedisConnection, user: string): Promise<void> {
  await redis.del(attemptsKey("user", user));
}
