import { bucketOf, keyIn } from "#state/redis/bucket.ts";

/** String: JSON of one signed-in console, by the SHA-256 of its token. */
export const sessionKey = (tokenHash: string): string => keyIn(bucketOf(tokenHash), "session", tokenHash);
/** String: sign-in attempts of one source or one user in the current window. */
export const attemptsKey = (kind: "source" | "user", name: string): string =>
  keyIn(bucketOf(name), "sign-in-attempts", kind, name);
