import type { onRequestAsyncHookHandler } from "fastify";
import { z } from "zod";
import { scanCalls } from "#state/call/scan-calls.ts";
import { readTrace } from "#state/trace/read-trace.ts";
import { callCardOf, findCall } from "#signaling/inspect/index.ts";
import { requireAdministrator } from "../access/bearer.ts";
import { problemSchema, Refusal } from "../problem.ts";
import type { App, RouteContext } from "./route-context.ts";

const cardSchema = z.object({
  call: z.string(),
  kind: z.string(),
  from: z.string(),
  to: z.string(),
  state: z.string(),
  startMs: z.number().int().optional(),
  legs: z.number().int(),
  worker: z.string(),
  unfinished: z.boolean(),
});

const entrySchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("message"),
    atUs: z.number().int(),
    instance: z.string(),
    direction: z.enum(["in", "out"]),
    transport: z.string(),
    peer: z.string(),
    local: z.string(),
    again: z.boolean(),
    text: z.string(),
  }),
  z.object({
    type: z.literal("mark"),
    atUs: z.number().int(),
    instance: z.string(),
    mark: z.string(),
    detail: z.string(),
  }),
]);
const traceSchema = z.object({ call: z.string(), entries: z.array(entrySchema), lost: z.number().int() });

/** Most calls that one answer lists. */
const MAX_LISTED = 1_000;

/** What the administrator sees of calls: which there are, and the redacted messages of one. */
export function callRoutes(app: App, { redis, secret }: Pick<RouteContext, "redis" | "secret">): void {
  const common = { tags: ["calls"], security: [{ administrator: [] }] };
  const refusals = { 401: problemSchema, 403: problemSchema };
  const onRequest: onRequestAsyncHookHandler = (request) => requireAdministrator(redis, secret, request);

  app.get(
    "/v1/calls",
    {
      onRequest,
      schema: {
        ...common,
        summary: `Calls that are there now, ${MAX_LISTED} at most`,
        response: { 200: z.object({ items: z.array(cardSchema), more: z.boolean() }), ...refusals },
      },
    },
    async () => {
      const items: z.output<typeof cardSchema>[] = [];
      for await (const { call, stored } of scanCalls(redis)) {
        const { startMs, ...card } = callCardOf(call, stored);
        if (card.state === "over") continue;
        if (items.length === MAX_LISTED) return { items, more: true };
        items.push(startMs === undefined ? card : { ...card, startMs });
      }
      return { items, more: false };
    },
  );

  app.get(
    "/v1/calls/:id/trace",
    {
      onRequest,
      schema: {
        ...common,
        summary: "Messages of one call, redacted, with what the signaling processes did",
        params: z.object({ id: z.string().max(100) }),
        response: {
          200: z.object({ traces: z.array(traceSchema) }),
          404: problemSchema,
          409: problemSchema,
          ...refusals,
        },
      },
    },
    async (request) => {
      const found = await findCall(redis, request.params.id);
      if (found.outcome === "unknown")
        throw new Refusal(404, "there is no such call, or nothing is kept of it");
      if (found.outcome === "ambiguous") throw new Refusal(409, "several calls begin so");
      const traces = await Promise.all(found.calls.map((call) => readTrace(redis, call)));
      return {
        traces: traces
          .filter((trace) => trace !== undefined)
          .map((trace) => ({ ...trace, entries: [...trace.entries] })),
      };
    },
  );
}
