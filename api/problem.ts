import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { z } from "zod";

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().optional(),
    /** Which fields are wrong, by JSON pointer. */
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .describe("RFC 9457 problem details");
type Problem = z.infer<typeof problemSchema>;

/** A refusal of a request with the HTTP status that says so. Expected, so it is not logged as an error. */
export class Refusal extends Error {
  readonly status: number;
  readonly errors: Problem["errors"];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    detail: string,
    more: { errors?: Problem["errors"]; headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.status = status;
    this.errors = more.errors;
    this.headers = more.headers ?? {};
  }
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  503: "Service Unavailable",
};

/** Codes that mean "this cluster cannot do it now", so that the caller tries again. */
const unavailable: readonly ErrorCode[] = [
  ErrorCode.StateUnavailable,
  ErrorCode.RpcTimeout,
  ErrorCode.WorkerUnavailable,
];

/** Sends every failure as `application/problem+json` (RFC 9457); only the unexpected ones are logged. */
export function answerWithProblems(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500)
      log.error({ error: String(error), route: request.routeOptions.url }, "request failed");
    if (error instanceof Refusal) void reply.headers(error.headers);
    return sendProblem(reply, problem);
  });

  const routes: { methods: string[]; matches: RegExp }[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    if (url.includes("*")) return;
    const pattern = url.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll(/:[^/]+/g, "[^/]+");
    routes.push({ methods: [method].flat(), matches: new RegExp(`^${pattern}/?$`) });
  });
  app.setNotFoundHandler((request: FastifyRequest, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const allowed = new Set(
      routes.filter(({ matches }) => matches.test(path)).flatMap(({ methods }) => methods),
    );
    if (allowed.size === 0) return sendProblem(reply, problem(404, "nothing is here"));
    return sendProblem(
      reply.header("Allow", [...allowed].join(", ")),
      problem(405, "this resource has no such method"),
    );
  });
}

function problemOf(error: FastifyError): Problem {
  if (error instanceof Refusal) return problem(error.status, error.message, error.errors);
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map(({ instancePath, message }) => ({
      pointer: instancePath === "" ? "/" : instancePath,
      detail: message ?? "is not valid",
    }));
    return problem(400, "the request does not have the shape that this resource takes", errors);
  }
  if (error instanceof CrossbandError && unavailable.includes(error.code))
    return problem(503, "a part of the service does not answer now; try again");
  const status = error.statusCode ?? 500;
  // ioredis rejects with these while Redis is away.
  if (status === 500 && /Command timed out|max retries per request|Connection is closed/.test(error.message))
    return problem(503, "state does not answer now; try again");
  return status >= 500 ? problem(500) : problem(status, error.message);
}

function problem(status: number, detail?: string, errors?: Problem["errors"]): Problem {
  const title = titles[status] ?? (status >= 500 ? "Internal Server Error" : "Request refused");
  return { type: "about:blank", title, status, ...(detail && { detail }), ...(errors && { errors }) };
}

const sendProblem = (reply: FastifyReply, body: Problem): FastifyReply =>
  // The text is made here: a route's response schemas are for its own answers.
  reply.code(body.status).type("application/problem+json").serializer(String).send(JSON.stringify(body));
