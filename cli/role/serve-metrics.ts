import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { RoleHandle } from "#state/instance/role.ts";

/** How often the delay of the event loop is sampled beside each scrape, in ms: seldom, so that an idle process rests. */
const LOOP_SAMPLE_MS = 10_000;

/** Serves `/metrics` and `/healthz` of one process on a free port; api gathers them through the instance card. */
export async function serveMetrics(
  host: string,
  handle: Pick<RoleHandle, "metrics">,
): Promise<{ address: string; close(): void }> {
  const own = new Registry();
  collectDefaultMetrics({ register: own, eventLoopMonitoringPrecision: LOOP_SAMPLE_MS });
  const server = createServer((request, response) => {
    if (request.url === "/healthz") {
      response.writeHead(200, { "content-type": "text/plain" }).end("ok\n");
      return;
    }
    if (request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    Promise.all([own.metrics(), handle.metrics()]).then(
      (parts) => response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(parts.join("")),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(0, host, done);
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: `${host.includes(":") ? `[${host}]` : host}:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
