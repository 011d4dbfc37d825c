/** What kind of failure a Redis command met, for counting. */
export type RedisErrorKind = "timeout" | "connection" | "read-only" | "out-of-memory" | "loading" | "other";

const KINDS: readonly (readonly [RegExp, RedisErrorKind])[] = [
  [/timed out/i, "timeout"],
  [/^READONLY|^MASTERDOWN|^CLUSTERDOWN/, "read-only"],
  [/^OOM|^MISCONF/, "out-of-memory"],
  [/^LOADING|^BUSY/, "loading"],
  [/connection|closed|ECONN|EPIPE|max retries/i, "connection"],
];

export function redisErrorKind(error: unknown): RedisErrorKind {
  const text = error instanceof Error ? error.message : String(error);
  return KINDS.find(([pattern]) => pattern.test(text))?.[1] ?? "other";
}
