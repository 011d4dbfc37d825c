import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { RoleHandle } from "#state/instance/role.ts";

/** Serves `/metrics` and `/healthz` of one process on a free port; api gathers them through the instance card. */
export async function serveMetrics(
  host: string,
  handle: Pick<RoleHandle, "metrics">,
): Promise<{ address: string; close(): void }> {
  const server = createServer((request, response) => {
    if (request.url === "/healthz") {
      response.writeHead(200, { "content-type": "text/plain" }).end("ok\n");
      return;
    }
    if (request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    handle.metrics().then(
      (text) => response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(text),
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
