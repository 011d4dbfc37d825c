import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getResource } from "#state/directory/directory.ts";
import { listInstances } from "#state/instance/instance.ts";
import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { startRpc } from "#state/rpc/rpc.ts";
import { openCertificates } from "#state/certificate/certificates.ts";
import { ownNames } from "#state/certificate/own-names.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { userOfToken } from "./access/bearer.ts";
import { createEventsEndpoint } from "./events/events-endpoint.ts";
import { openGroupFeed } from "./events/group-feed.ts";
import { createGroupFloor } from "./floor/group-floor.ts";
import { createMetrics } from "./metrics.ts";
import { openSecureListener } from "./secure-listener.ts";
import { buildServer } from "./server.ts";
import { createSipProxy } from "./sip/sip-proxy.ts";

/** Connections that are idle or in the middle of a request are given this long to end, in ms. */
const DRAIN_MS = 3_000;

/**
 * Starts the api role: REST, event sockets, SIP over WebSocket and the console, all on one port.
 *
 * @throws Error (EADDRINUSE and such) when the port cannot be taken
 */
export async function startApi(context: RoleContext): Promise<RoleHandle> {
  const { config, log, redis, secret, instance } = context;
  const metrics = createMetrics();
  const rpc = startRpc(redis, context.openBlocking(), instance, refuseAll, log);
  const floor = createGroupFloor(redis, rpc);
  const feed = openGroupFeed(context.openBlocking(), floor, log);
  const app = await buildServer({ config, log, redis, secret, metrics, floor });
  const events = createEventsEndpoint({
    feed,
    floor,
    metrics,
    log,
    findUser: (token) => userOfToken(redis, token),
    findGroup: (id) => getResource(redis, "talk-group", id),
  });
  const sip = createSipProxy({ listSignaling: () => listInstances(redis), metrics, log });

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on("error", () => undefined);
    const path = (request.url ?? "").split("?", 1)[0];
    if (path === "/v1/events") events.upgrade(request, socket, head);
    else if (path === "/sip") sip.upgrade(request, socket, head);
    else socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  };
  app.server.on("upgrade", upgrade);

  await app.listen({ host: config.host, port: config.http.port });
  const { address, port, family } = app.server.address() as AddressInfo;
  const http = family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
  const secure =
    config.http.tlsPort === undefined
      ? undefined
      : await openSecureListener(
          config.host,
          config.http.tlsPort,
          await openCertificates(redis, config.sip, ownNames(config), log),
          {
            request: (request, response) => {
              app.routing(request, response);
            },
            upgrade,
          },
        );
  log.info({ http, https: secure?.address }, "api listens");

  let drained: Promise<void> | undefined;
  const drain = (): Promise<void> => {
    drained ??= (async () => {
      await Promise.race([events.close(), new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref())]);
      sip.close();
      await secure?.close();
      const slow = setTimeout(() => {
        app.server.closeAllConnections();
      }, DRAIN_MS);
      await app.close();
      clearTimeout(slow);
    })();
    return drained;
  };

  return {
    role: "api",
    card: () => ({ listeners: { http, ...(secure && { https: secure.address }) }, load: 0 }),
    metrics: () => metrics.registry.metrics(),
    drain,
    async close() {
      await drain();
      feed.close();
      await rpc.close();
    },
  };
}

const refuseAll = (): Promise<never> =>
  Promise.reject(new CrossbandError(ErrorCode.RpcRefused, "an api process answers no requests"));
