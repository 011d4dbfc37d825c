import { timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { digestHashes, getDomain, getResource } from "#state/directory/directory.ts";
import { countAttempt, forgetAttempts } from "#state/session/count-attempt.ts";
import { closeSession, openSession, SESSION_TTL_S } from "#state/session/session.ts";
import { bearerOf } from "../access/bearer.ts";
import { problemSchema, Refusal } from "../problem.ts";
import { groupCardSchema, groupsOf } from "./groups.ts";
import type { App, RouteContext } from "./route-context.ts";

/** Attempts in a minute from one address, and for one user. Beyond them the answer is 429. */
export const ATTEMPTS_PER_SOURCE = 60;
export const ATTEMPTS_PER_USER = 10;

const credentialsSchema = z.strictObject({
  user: z.string().min(1).max(63),
  password: z.string().min(1).max(200),
});

const sessionSchema = z.object({
  token: z.string().describe("send it as Authorization: Bearer"),
  expiresInSeconds: z.number().int().describe("after the last use"),
  user: z.object({
    id: z.string(),
    name: z.string(),
    agency: z.object({ id: z.string(), name: z.string() }),
    priority: z.number().int(),
  }),
  domain: z.string().describe("SIP domain and digest realm"),
  sip: z.string().describe("SIP over WebSocket, relative to this server"),
  events: z.string().describe("event socket, relative to this server"),
  groups: z.array(groupCardSchema).describe("talk groups that the user may join"),
});

/** `/v1/session`: sign in, sign out. */
export function sessionRoutes(app: App, { redis, config, metrics, log }: RouteContext): void {
  /** @throws Refusal 429 that says when to try again */
  const admit = async (kind: "source" | "user", name: string, limit: number): Promise<void> => {
    const { attempts, windowLeftMs } = await countAttempt(redis, kind, name);
    if (attempts <= limit) return;
    metrics.signIns.inc({ outcome: "limited" });
    throw new Refusal(429, "too many attempts to sign in; wait and try again", {
      headers: { "Retry-After": String(Math.ceil(windowLeftMs / 1_000)) },
    });
  };

  app.post(
    "/v1/session",
    {
      schema: {
        tags: ["session"],
        summary: "Sign in",
        body: credentialsSchema,
        response: { 201: sessionSchema, 400: problemSchema, 401: problemSchema, 429: problemSchema },
      },
    },
    async (request, reply) => {
      const { user: id, password } = request.body;
      await admit("source", request.ip, ATTEMPTS_PER_SOURCE);
      await admit("user", id, ATTEMPTS_PER_USER);
      const domain = await getDomain(redis, config.sip.domain);
      const user = await getResource(redis, "user", id);
      const given = Buffer.from(digestHashes(id, domain, password).sha256);
      // An unknown user costs the same time as a wrong password.
      const stored = Buffer.from(user?.ha1.sha256 ?? "0".repeat(given.length));
      const right = stored.length === given.length && timingSafeEqual(stored, given);
      if (!user || !right) {
        metrics.signIns.inc({ outcome: "refused" });
        log.info({ source: request.ip }, "sign-in refused");
        throw new Refusal(401, "user or password is wrong");
      }
      await forgetAttempts(redis, id);
      const [token, agency, groups] = await Promise.all([
        openSession(redis, id, Date.now()),
        getResource(redis, "agency", user.agency),
        groupsOf(redis, user),
      ]);
      metrics.signIns.inc({ outcome: "opened" });
      return reply.code(201).send({
        token,
        expiresInSeconds: SESSION_TTL_S,
        user: {
          id,
          name: user.name,
          agency: { id: user.agency, name: agency?.name ?? user.agency },
          priority: user.priority,
        },
        domain,
        sip: "/sip",
        events: "/v1/events",
        groups,
      });
    },
  );

  app.delete(
    "/v1/session",
    {
      schema: {
        tags: ["session"],
        summary: "Sign out",
        security: [{ bearer: [] }],
        response: { 204: z.null(), 401: problemSchema },
      },
    },
    async (request, reply) => {
      await closeSession(redis, bearerOf(request));
      return reply.code(204).send(null);
    },
  );
}
