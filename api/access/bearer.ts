import type { FastifyRequest } from "fastify";
import { getResource } from "#state/directory/directory.ts";
import type { User } from "#state/directory/provision.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { findSession } from "#state/session/session.ts";
import { Refusal } from "../problem.ts";
import { isAdminToken } from "#state/session/admin-token.ts";

const challenge = { headers: { "WWW-Authenticate": 'Bearer realm="crossband"' } };

/** The token of a request's Authorization header (RFC 6750 §2.1). */
export function bearerOf(request: FastifyRequest): string {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token === undefined) throw new Refusal(401, "send Authorization: Bearer with a token", challenge);
  return token;
}

/** The user who a session token belongs to, with its directory entry as of now. */
export async function userOfToken(redis: RedisConnection, token: string): Promise<User | undefined> {
  const session = await findSession(redis, token);
  return session && (await getResource(redis, "user", session.user));
}

/** @throws Refusal 401 unless the request carries the token of a session */
export async function signedInUser(redis: RedisConnection, request: FastifyRequest): Promise<User> {
  const user = await userOfToken(redis, bearerOf(request));
  if (!user) throw new Refusal(401, "the session has ended; sign in again", challenge);
  return user;
}

/** @throws Refusal 401 with a token that is none, 403 with one that is a user's (RFC 6750 §3.1) */
export async function requireAdministrator(
  redis: RedisConnection,
  secret: string,
  request: FastifyRequest,
): Promise<void> {
  const token = bearerOf(request);
  if (isAdminToken(secret, token)) return;
  if (await findSession(redis, token)) throw new Refusal(403, "this needs the administrator's token");
  throw new Refusal(401, "the token is not valid", challenge);
}
