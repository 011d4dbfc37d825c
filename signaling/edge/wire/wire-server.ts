import { readFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { LRUCache } from "lru-cache";
import { systemClock, type Clock } from "#common/clock.ts";
import type { Config } from "#common/config.ts";
import type { Logger } from "#common/log.ts";
import { attachClient } from "./attach-client.ts";
import { createWireClients, type WireClient } from "./clients.ts";
import type { WireContext } from "./context.ts";
import { createDelivery } from "./delivery.ts";
import type { EnginePort } from "./engine-port.ts";
import { connectOutbound, parseOutbound } from "./outbound.ts";
import { createRequestHandler } from "./request-handler.ts";
import { createWireCommands } from "./wire-commands.ts";
import { createWireEvents } from "./wire-events.ts";

/** Applications that attach to us. */
const MAX_CLIENTS = 256;
/** Applications that we connect to: one connection for each call, as `srf.endSession` expects. */
const MAX_OUTBOUND = 5_000;
const REMEMBERED_CALLS = 50_000;

export interface WireServerOptions {
  readonly config: Pick<Config, "drachtio">;
  readonly port: EnginePort;
  readonly instance: string;
  readonly log: Logger;
  readonly clock?: Clock;
  /** How applications of other processes are reached; without it there are none. */
  readonly peers?: Pick<WireContext, "others" | "forward" | "forwardToAny">;
}

export interface WireServer {
  /** Opens the ports for applications and returns the `host:port` of the plain one. */
  listen(): Promise<string>;
  /** Takes a frame for a connection of ours from another process; false when it is not there. */
  deliver(connection: string, frame: string, call: string): boolean;
  /** Takes a frame for anybody of these tags who asked for this verb; false when there is none. */
  deliverToAny(verb: string, tags: readonly string[], frame: string, call: string): boolean;
  readonly clients: number;
  /** Methods asked for, over all clients. */
  readonly routes: number;
  /** `host:port` of the TLS port; undefined when there is none. */
  readonly tls: string | undefined;
  readonly counters: Readonly<WireContext["counters"]>;
  close(): Promise<void>;
}

/**
 * The server of drachtio's client protocol, attached to the engine as its call control. What it tells and what it is told
 * is addressed by transaction and dialog, so an application may die, and another one carry on.
 */
export function createWireServer(options: WireServerOptions): WireServer {
  const { config, port, instance, log, peers } = options;
  const { drachtio } = config;
  const clients = createWireClients();
  const counters = { frames: 0, refused: 0, unrouted: 0, dropped: 0, forwarded: 0 };
  const context: WireContext = {
    port,
    clients,
    instance,
    log,
    counters,
    clock: options.clock ?? systemClock,
    owners: new LRUCache({ max: REMEMBERED_CALLS }),
    peers: new LRUCache({ max: REMEMBERED_CALLS }),
    others: peers?.others ?? (() => []),
    forward: peers?.forward ?? (() => Promise.resolve(false)),
    forwardToAny: peers?.forwardToAny ?? (() => Promise.resolve(false)),
    connectTo,
  };
  const delivery = createDelivery(context);
  const router = createRequestHandler(context, delivery, drachtio);
  const events = createWireEvents(context, delivery, router);
  const execute = createWireCommands(context);
  const sockets = new Set<Socket>();
  let outbound = 0;
  port.handle(events);

  const accept = (socket: Socket): void => {
    if (sockets.size - outbound >= MAX_CLIENTS) {
      log.warn({ limit: MAX_CLIENTS }, "too many applications attached");
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    attach(socket, {});
  };
  const server = createServer({ noDelay: true, keepAlive: true }, accept);
  const tlsServer =
    drachtio.tlsPort === undefined || drachtio.tlsCert === undefined || drachtio.tlsKey === undefined
      ? undefined
      : createTlsServer(
          { cert: readFileSync(drachtio.tlsCert), key: readFileSync(drachtio.tlsKey), minVersion: "TLSv1.2" },
          accept,
        );
  let tls: string | undefined;
  for (const listener of [server, tlsServer])
    listener?.on("error", (error) => {
      log.error({ error: String(error) }, "drachtio listener failed");
    });
  tlsServer?.on("tlsClientError", (error) => {
    log.debug({ error: String(error) }, "application failed to set up TLS");
  });

  function attach(
    socket: Socket,
    how: { readonly uri?: string; readonly onReady?: (client: WireClient) => void },
  ): void {
    sockets.add(socket);
    if (how.uri !== undefined) outbound++;
    attachClient(socket, {
      context,
      secret: drachtio.secret,
      execute,
      ...how,
      onClose(client) {
        sockets.delete(socket);
        if (how.uri !== undefined) outbound--;
        events.clientGone(client.id);
      },
    });
  }

  function connectTo(uri: string): Promise<WireClient> {
    const address = parseOutbound(uri);
    if (!address) return Promise.reject(new Error("not an address of an application"));
    if (outbound >= MAX_OUTBOUND) return Promise.reject(new Error("too many applications connected to"));
    return connectOutbound(address, (socket, onReady) => { attach(socket, { uri, onReady }); }, { verify: drachtio.verifyPeer }); // prettier-ignore
  }

  const open = (listener: Server, at: number): Promise<string> =>
    new Promise((resolve, reject) => {
      listener.once("error", reject);
      listener.listen({ host: drachtio.host, port: at }, () => {
        listener.off("error", reject);
        resolve(`${drachtio.host}:${(listener.address() as AddressInfo).port}`);
      });
    });
  const shut = (listener: Server | undefined): Promise<void> =>
    new Promise((resolve) => {
      if (!listener?.listening) resolve();
      else
        listener.close(() => {
          resolve();
        });
    });

  return {
    counters,
    get clients() {
      return clients.all.length;
    },
    get routes() {
      return clients.all.reduce((sum, { verbs }) => sum + verbs.size, 0);
    },
    get tls() {
      return tls;
    },
    async listen() {
      if (tlsServer && drachtio.tlsPort !== undefined) tls = await open(tlsServer, drachtio.tlsPort);
      return open(server, drachtio.port);
    },
    deliver(connection, frame, call) {
      const client = clients.byId(connection);
      if (client?.send(frame) !== true) return false;
      if (call !== "") context.owners.set(call, client.id);
      return true;
    },
    deliverToAny(verb, tags, frame, call) {
      const client = clients.next(verb, tags) ?? clients.next("invite", tags);
      if (client?.send(frame) !== true) return false;
      context.owners.set(call, client.id);
      return true;
    },
    async close() {
      const closing = [shut(server), shut(tlsServer)];
      for (const socket of sockets) socket.destroy();
      await Promise.all(closing);
    },
  };
}
