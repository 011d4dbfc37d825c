import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { CloseCode } from "#common/console-link.ts";
import { serveConsole, type ConsoleConnection, type ConsoleServices } from "./console-connection.ts";

export interface EventsEndpoint {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Sends every console elsewhere; resolves when their floors are given back. */
  close(): Promise<void>;
}

/** Longest message of a console, in bytes. */
const MAX_MESSAGE = 16 * 1_024;
/** Consoles of one process. Beyond it the answer is 503, and the console tries another. */
const MAX_CONSOLES = 10_000;

/** The WebSocket `/v1/events`. */
export function createEventsEndpoint(services: ConsoleServices): EventsEndpoint {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE, clientTracking: false });
  const open = new Set<ConsoleConnection>();
  return {
    upgrade(request, socket, head) {
      if (open.size >= MAX_CONSOLES) {
        socket.end("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\n\r\n");
        return;
      }
      server.handleUpgrade(request, socket, head, (console) => {
        const connection = serveConsole(console, services);
        open.add(connection);
        void connection.ended.then(() => open.delete(connection));
      });
    },
    async close() {
      const all = [...open];
      for (const connection of all) connection.close(CloseCode.GoingAway, "this server is going away");
      await Promise.all(all.map(({ ended }) => ended));
      server.close();
    },
  };
}
