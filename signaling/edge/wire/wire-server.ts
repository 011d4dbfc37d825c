import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { LRUCache } from "lru-cache";
import { systemClock, type Clock } from "#common/clock.ts";
import type { Config } from "#common/config.ts";
import type { Logger } from "#common/log.ts";
import { createWireClients, type WireClient } from "./clients.ts";
import { decodeClientFrame, type ClientFrame } from "./client-frame.codec.ts";
import { newFrameId, type WireContext } from "./context.ts";
import type { EnginePort } from "./engine-port.ts";
import { createFrameDecoder } from "./frame.codec.ts";
import { encodeOk, encodeRefusal } from "./server-frame.codec.ts";
import { createWireCommands } from "./wire-commands.ts";
import { createWireEvents } from "./wire-events.ts";

/** What clients take us for: they ping servers from v0.8.2 on. */
const PROTOCOL_VERSION = "v0.9.4";
const AUTHENTICATE_MS = 5_000;
const MAX_CLIENTS = 256;
const MAX_VERBS = 64;
/** Frames that wait for an application that does not read; beyond it the connection is closed. */
const MAX_UNSENT_BYTES = 8 * 1_024 * 1_024;
/** Commands under work for one connection; beyond it no more is read until half are done. */
const MAX_IN_FLIGHT = 1_000;
const REMEMBERED_CALLS = 50_000;

export interface WireServerOptions {
  readonly config: Pick<Config, "drachtio">;
  readonly port: EnginePort;
  readonly instance: string;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Hands a frame to a client of another instance, by RPC `POST /wire/<connection>`; false when it is not there. */
  readonly forward?: (instance: string, connection: string, frame: string) => Promise<boolean>;
}

export interface WireServer {
  /** Opens the port for applications and returns its `host:port`. */
  listen(): Promise<string>;
  /** Answers `POST /wire/<connection>` of other instances. */
  deliver(connection: string, frame: string): boolean;
  readonly clients: number;
  /** Methods asked for, over all clients. */
  readonly routes: number;
  readonly counters: Readonly<WireContext["counters"]>;
  close(): Promise<void>;
}

/**
 * The server of drachtio's client protocol, attached to the engine as its call control. What it tells and what it is told
 * is addressed by transaction and dialog, so an application may die, and another one carry on.
 */
export function createWireServer(options: WireServerOptions): WireServer {
  const { config, port, instance, log } = options;
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
    forward: options.forward ?? (() => Promise.resolve(false)),
  };
  const events = createWireEvents(context);
  const execute = createWireCommands(context);
  const sockets = new Set<Socket>();
  port.handle(events);

  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    if (sockets.size >= MAX_CLIENTS) {
      log.warn({ limit: MAX_CLIENTS }, "too many applications attached");
      socket.destroy();
      return;
    }
    attach(socket);
  });
  server.on("error", (error) => {
    log.error({ error: String(error) }, "drachtio listener failed");
  });

  function attach(socket: Socket): void {
    sockets.add(socket);
    const decoder = createFrameDecoder();
    const client: WireClient = {
      id: randomBytes(9).toString("base64url"),
      verbs: new Set(),
      send(frame) {
        if (!socket.writable) return false;
        if (socket.writableLength + frame.length > MAX_UNSENT_BYTES) {
          log.warn({ client: client.id }, "application does not read: closed");
          socket.destroy();
          return false;
        }
        counters.frames++;
        socket.write(frame, "latin1");
        return true;
      },
    };
    let authenticated = false;
    let inFlight = 0;
    const answer = (frame: string | undefined): void => {
      if (frame !== undefined) client.send(frame);
    };

    const run = (frame: Extract<ClientFrame, { type: "sip" }>): void => {
      if (++inFlight >= MAX_IN_FLIGHT) socket.pause();
      void execute(frame, client).then((reply) => {
        answer(reply);
        if (--inFlight <= MAX_IN_FLIGHT / 2 && socket.isPaused()) socket.resume();
      });
    };

    const onFrame = (frame: ClientFrame): void => {
      const reply = { id: newFrameId(), to: frame.id };
      if (frame.type === "authenticate") {
        authenticated = sameSecret(frame.secret, config.drachtio.secret);
        if (!authenticated) {
          log.warn({ host: socket.remoteAddress }, "application with a wrong secret");
          answer(encodeRefusal(reply, "NO", "incorrect secret"));
          socket.end();
          return;
        }
        socket.setTimeout(0);
        clients.add(client);
        log.info({ client: client.id, tags: frame.tags }, "application attached");
        const at = `udp/${port.advertised},tcp/${port.advertised}`;
        answer(encodeOk(reply, at, PROTOCOL_VERSION, at));
        return;
      }
      if (!authenticated) {
        socket.destroy();
        return;
      }
      switch (frame.type) {
        case "route":
          if (client.verbs.size < MAX_VERBS) client.verbs.add(frame.verb);
          answer(encodeOk(reply));
          break;
        case "remove-route":
          client.verbs.delete(frame.verb);
          answer(encodeOk(reply));
          break;
        case "ping":
          answer(encodeOk(reply, "pong"));
          break;
        case "sip":
          run(frame);
          break;
        case "unsupported":
        case "malformed":
          counters.refused++;
          answer(
            encodeRefusal(reply, "NOK", `${frame.type} ${frame.what.slice(0, 32).replace(/[^\w ]/g, "")}`),
          );
          break;
      }
    };

    socket.setTimeout(AUTHENTICATE_MS, () => socket.destroy());
    socket.on("error", (error) => {
      log.debug({ error: String(error) }, "application connection failed");
    });
    socket.on("data", (chunk) => {
      const frames = decoder.push(typeof chunk === "string" ? chunk : chunk.toString("latin1"));
      if (!frames) socket.destroy();
      for (const text of frames ?? []) {
        const frame = decodeClientFrame(text);
        if (frame) onFrame(frame);
        else counters.refused++;
      }
    });
    socket.on("close", () => {
      sockets.delete(socket);
      clients.remove(client);
      if (authenticated) log.info({ client: client.id }, "application gone");
      events.clientGone(client.id);
    });
  }

  return {
    counters,
    get clients() {
      return clients.all.length;
    },
    get routes() {
      return clients.all.reduce((sum, { verbs }) => sum + verbs.size, 0);
    },
    listen: () =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: config.drachtio.host, port: config.drachtio.port }, () => {
          server.off("error", reject);
          resolve(`${config.drachtio.host}:${(server.address() as AddressInfo).port}`);
        });
      }),
    deliver: (connection, frame) => clients.byId(connection)?.send(frame) ?? false,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Compared as digests, so that neither length nor content can be told from the time it takes. */
function sameSecret(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
