import { isUtf8 } from "node:buffer";
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import { isIP, type AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { plainAddress } from "./address.ts";
import type { Connection } from "./connections.ts";
import type { StreamContext } from "./stream-connection.ts";

/** Below the 60 s after which proxies drop silent connections. */
const PING_MS = 25_000;
/** A client must have asked for the upgrade by then. */
const HEAD_MS = 10_000;

export interface WsTransport {
  readonly port: number;
  /** Takes no more connections; those that are there stay. */
  stop(): void;
  close(): Promise<void>;
}

/**
 * SIP over WebSocket (RFC 7118) on an internal port: api proxies browsers to it, and names them in X-Forwarded-For.
 */
export async function openWs(host: string, context: StreamContext): Promise<WsTransport> {
  // Behind the api's own limits, and against whoever finds this port.
  const http = createServer({ headersTimeout: HEAD_MS, requestTimeout: HEAD_MS }, (_request, response) => {
    response.writeHead(426, { connection: "close" }).end();
  });
  const server = new WebSocketServer({
    server: http,
    maxPayload: context.maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (protocols) => (protocols.has("sip") ? "sip" : false),
  });
  server.on("connection", (socket, request) => {
    attach(socket, request, context);
  });
  for (const emitter of [server, http])
    emitter.on("error", (error) => {
      context.log.error({ error: String(error) }, "websocket listener failed");
    });
  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    http.listen({ port: 0, host }, () => {
      http.off("error", reject);
      resolve();
    });
  });
  return {
    port: (http.address() as AddressInfo).port,
    stop: () => {
      http.close();
    },
    close: () =>
      new Promise((resolve) => {
        for (const client of server.clients) client.terminate();
        server.close();
        http.close(() => {
          resolve();
        });
        http.closeAllConnections();
      }),
  };
}

function attach(socket: WebSocket, request: IncomingMessage, context: StreamContext): void {
  const { connections, counters, ingress, log } = context;
  socket.on("error", (error) => {
    log.debug({ error: String(error) }, "websocket failed");
  });
  if (socket.protocol !== "sip") {
    socket.close(1002, "sub-protocol sip required");
    return;
  }
  const flow: Flow = {
    transport: "ws",
    ...clientAddress(request),
    instance: context.instance,
    connection: randomBytes(9).toString("base64url"),
  };
  const connection: Connection = {
    flow,
    get unsent() {
      return socket.bufferedAmount;
    },
    write: (bytes) => writeTo(socket, bytes),
    // RFC 6455 §7.4.1 and its registry: 1012 says that the service restarts, try again.
    end: () => {
      socket.close(1012, "restarting");
    },
    destroy: () => {
      socket.terminate();
    },
  };
  if (!connections.add(connection)) {
    socket.close(1013, "too many connections");
    return;
  }
  let answered = true;
  const ping = setInterval(() => {
    if (!answered) {
      socket.terminate();
      return;
    }
    answered = false;
    socket.ping();
  }, PING_MS);
  socket.on("pong", () => {
    answered = true;
  });
  socket.on("close", () => {
    clearInterval(ping);
    connections.remove(connection);
  });
  socket.on("message", (data) => {
    ingress.shedder?.noteRead(false);
    answered = true;
    const text = (Buffer.isBuffer(data) ? data : Buffer.concat([data].flat() as Buffer[])).toString("latin1");
    if (text === "\r\n\r\n") {
      counters.keepalive++;
      void writeTo(socket, "\r\n").catch(() => undefined);
    } else if (text !== "\r\n") ingress.receive(text, flow);
  });
}

/** Browsers do not take binary frames everywhere, and text frames must be UTF-8. */
function writeTo(socket: WebSocket, bytes: string): Promise<void> {
  const data = Buffer.from(bytes, "latin1");
  return new Promise((resolve, reject) => {
    socket.send(data, { binary: !isUtf8(data) }, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

function clientAddress(request: IncomingMessage): { host: string; port: number } {
  const forwarded = request.headers["x-forwarded-for"];
  const first = (Array.isArray(forwarded) ? forwarded[0] : forwarded)?.split(",", 1)[0]?.trim() ?? "";
  const port = request.socket.remotePort ?? 0;
  if (isIP(first) !== 0) return { host: plainAddress(first), port };
  return { host: plainAddress(request.socket.remoteAddress ?? ""), port };
}
