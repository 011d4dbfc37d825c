import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";
import type { RedisConnection } from "#state/redis/connection.ts";
import { sessionKey } from "./session.keys.ts";

const sessionSchema = z.object({ user: z.string(), openedAtMs: z.number() });

/** A signed-in console. */
export type Session = z.infer<typeof sessionSchema>;

/** A session that nobody used for this long ends: longer than a shift, in s. */
export const SESSION_TTL_S = 14 * 3_600;
/** Octets of randomness in a token. */
const TOKEN_BYTES = 32;
/** Longest text that is looked up as a token. */
const TOKEN_MAX_LENGTH = 128;

/** Redis holds hashes only, so that reading it gives nobody a token. */
const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");

/** Opens a session and returns its bearer token, which is kept nowhere. */
export async function openSession(redis: RedisConnection, user: string, nowMs: number): Promise<string> {
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  const session: Session = { user, openedAtMs: nowMs };
  await redis.set(sessionKey(hashOf(token)), JSON.stringify(session), "EX", SESSION_TTL_S);
  return token;
}

/** The session of a token, its end put off; undefined when there is none. */
export async function findSession(redis: RedisConnection, token: string): Promise<Session | undefined> {
  if (token === "" || token.length > TOKEN_MAX_LENGTH) return undefined;
  const text = await redis.getex(sessionKey(hashOf(token)), "EX", SESSION_TTL_S);
  return text === null ? undefined : sessionSchema.parse(JSON.parse(text));
}

/** Ends a session. An unknown token is fine. */
export async function closeSession(redis: RedisConnection, token: string): Promise<void> {
  if (token.length <= TOKEN_MAX_LENGTH) await redis.del(sessionKey(hashOf(token)));
}
