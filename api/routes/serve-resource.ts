import type { onRequestAsyncHookHandler } from "fastify";
import { z } from "zod";
import { requireAdministrator } from "../access/bearer.ts";
import { problemSchema, Refusal } from "../problem.ts";
import type { App, RouteContext } from "./route-context.ts";

/** One kind of provisioned resource: how it is shown, what replaces it, where it is kept. */
export interface Resource<Put extends { id: string }> {
  readonly path: string;
  readonly put: z.ZodType<Put>;
  readonly card: z.ZodType<{ id: string }>;
  list(): Promise<{ id: string }[]>;
  get(id: string): Promise<{ id: string } | undefined>;
  /** Stores it. @throws Refusal when it refers to something that is not there */
  store(resource: Put): Promise<void>;
}

/** GET all, GET one, PUT one, for the administrator. */
export function serveResource<Put extends { id: string }>(
  app: App,
  { redis, secret }: Pick<RouteContext, "redis" | "secret">,
  resource: Resource<Put>,
): void {
  const { path, put, card } = resource;
  const common = { tags: ["provisioning"], security: [{ administrator: [] }] };
  const refusals = { 401: problemSchema, 403: problemSchema };
  const params = z.object({ id: z.string().max(63) });
  const onRequest: onRequestAsyncHookHandler = (request) => requireAdministrator(redis, secret, request);

  app.get(
    path,
    {
      onRequest,
      schema: {
        ...common,
        summary: "All of them",
        response: { 200: z.object({ items: z.array(card) }), ...refusals },
      },
    },
    async () => ({ items: await resource.list() }),
  );

  app.get(
    `${path}/:id`,
    {
      onRequest,
      schema: { ...common, summary: "One", params, response: { 200: card, 404: problemSchema, ...refusals } },
    },
    async (request) => {
      const found = await resource.get(request.params.id);
      if (!found) throw new Refusal(404, "there is none with this id");
      return found;
    },
  );

  const response = { 200: card, 400: problemSchema, 409: problemSchema, ...refusals };
  app.put(
    `${path}/:id`,
    {
      onRequest,
      schema: {
        ...common,
        summary: "Make or replace one",
        params,
        body: put,
        response,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      // The compiler does not follow a schema that is a parameter.
      const body = put.parse(request.body);
      if (body.id !== id)
        throw new Refusal(400, "the id in the path and in the body differ", {
          errors: [{ pointer: "/id", detail: `must be ${id}` }],
        });
      await resource.store(body);
      return reply.send((await resource.get(id)) ?? { id });
    },
  );
}
