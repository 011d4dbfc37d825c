import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { fastify } from "fastify";
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import { answerWithProblems } from "./problem.ts";
import { callRoutes } from "./routes/calls.ts";
import { groupRoutes } from "./routes/groups.ts";
import { healthRoutes } from "./routes/health.ts";
import { resourceRoutes } from "./routes/resources.ts";
import type { App, RouteContext } from "./routes/route-context.ts";
import { sessionRoutes } from "./routes/session.ts";
import { securityHeaders } from "./security-headers.ts";

/** Longest request body, in bytes. */
const BODY_LIMIT = 64 * 1_024;
const REQUEST_TIMEOUT_MS = 10_000;
/** The built console. */
const consoleFolder = fileURLToPath(new URL("../console/dist", import.meta.url));

/** The HTTP server with every route, not yet listening. */
export async function buildServer(context: RouteContext, consoleRoot = consoleFolder): Promise<App> {
  const app: App = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    logger: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 100 },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  answerWithProblems(app, context.log);
  app.addHook("onSend", (_request, reply, payload, done) => {
    for (const [name, value] of Object.entries(securityHeaders))
      if (!reply.hasHeader(name)) void reply.header(name, value);
    done(null, payload);
  });
  app.addHook("onResponse", (request, reply, done) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? "none",
      status: String(reply.statusCode),
    };
    context.metrics.requests.observe(labels, reply.elapsedTime / 1_000);
    done();
  });

  await describeApi(app);
  healthRoutes(app, context);
  sessionRoutes(app, context);
  groupRoutes(app, context);
  callRoutes(app, context);
  resourceRoutes(app, context);
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
  await serveConsolePage(app, consoleRoot);
  await app.ready();
  return app;
}

async function describeApi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Crossband",
        version: "1",
        description:
          "Sign in, see talk groups and provision them. Live events and press-to-talk go over the WebSocket /v1/events, " +
          "SIP over the WebSocket /sip. Failures are application/problem+json (RFC 9457).",
      },
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer", description: "token of POST /v1/session" },
          administrator: {
            type: "http",
            scheme: "bearer",
            description: "content of admin-token in the home folder",
          },
        },
      },
    },
    transform: jsonSchemaTransform,
  });
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true });
}

/** `/`: the console. Files whose name holds a hash of their content never change; the page itself is asked for each time. */
async function serveConsolePage(app: App, root: string): Promise<void> {
  if (!existsSync(root)) {
    app.get("/", { schema: { hide: true } }, (_request, reply) =>
      reply
        .code(503)
        .type("text/plain")
        .serializer(String)
        .send("The console is not built: run npm run build:console\n"),
    );
    return;
  }
  await app.register(fastifyStatic, {
    root,
    cacheControl: false,
    dotfiles: "ignore",
    setHeaders(reply, path) {
      const hashed = path.includes("/assets/");
      void reply.header("Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
    },
  });
}
