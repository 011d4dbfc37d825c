import { z } from "zod";
import { listInstances } from "#state/instance/instance.ts";
import { gatherMetrics } from "../gather-metrics.ts";
import type { App, RouteContext } from "./route-context.ts";

const readinessSchema = z.object({
  ready: z.boolean(),
  /** What is missing, in words. */
  missing: z.array(z.string()),
  instances: z.record(z.string(), z.number().int()),
});

/** `/healthz`: this process runs. `/readyz`: a call could be made now. `/metrics`: every process, for Prometheus. */
export function healthRoutes(app: App, { redis }: RouteContext): void {
  app.get(
    "/healthz",
    {
      schema: {
        tags: ["health"],
        summary: "This process runs",
        response: { 200: z.object({ status: z.literal("ok") }) },
      },
    },
    () => ({ status: "ok" as const }),
  );

  app.get(
    "/readyz",
    {
      schema: {
        tags: ["health"],
        summary: "State answers, and signaling and media are alive",
        response: { 200: readinessSchema, 503: readinessSchema },
      },
    },
    async (_request, reply) => {
      const cards = await listInstances(redis).catch(() => undefined);
      const instances: Record<string, number> = {};
      for (const { role, draining } of cards ?? [])
        if (!draining) instances[role] = (instances[role] ?? 0) + 1;
      const missing =
        cards === undefined
          ? ["state does not answer"]
          : ["signaling", "media"]
              .filter((role) => !instances[role])
              .map((role) => `no ${role} process is alive`);
      const ready = missing.length === 0;
      return reply.code(ready ? 200 : 503).send({ ready, missing, instances });
    },
  );

  app.get("/metrics", { schema: { hide: true } }, async (_request, reply) =>
    reply
      .type("text/plain; version=0.0.4; charset=utf-8")
      .send(await gatherMetrics(await listInstances(redis))),
  );
}
