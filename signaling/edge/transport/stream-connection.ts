import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { Logger } from "#common/log.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { plainAddress } from "./address.ts";
import type { Connection, Connections } from "./connections.ts";
import type { TransportCounters } from "./counters.ts";
import type { Ingress } from "./ingress.ts";
import { createStreamFramer } from "./stream-framer.codec.ts";

/** A peer that connects and says nothing is let go. */
const SILENT_MS = 30_000;
/** Longer than the longest usual registration, so that a phone without keepalives stays reachable. */
const IDLE_MS = 3_900_000;
/** A message must be whole so long after its first byte, however slowly it drips in. */
const PARTIAL_MS = 30_000;
/** A peer that was refused gets so long to read why. */
const LAST_WORDS_MS = 1_000;

export interface StreamContext {
  readonly instance: string;
  readonly maxMessageBytes: number;
  /** How often peers are asked to send a keepalive, in s; one that has begun to and stops is gone (RFC 5626 §4.4.1). */
  readonly keepaliveSeconds: number;
  readonly ingress: Ingress;
  readonly connections: Connections;
  readonly counters: TransportCounters;
  readonly log: Logger;
}

/** Reads messages from a TCP or TLS socket and makes it a connection. Undefined when there are too many. */
export function attachStream(
  socket: Socket,
  transport: "tcp" | "tls",
  context: StreamContext,
): Connection | undefined {
  const { connections, counters, ingress, log } = context;
  const flow: Flow = {
    transport,
    host: plainAddress(socket.remoteAddress ?? ""),
    port: socket.remotePort ?? 0,
    instance: context.instance,
    connection: randomBytes(9).toString("base64url"),
  };
  const connection: Connection = {
    flow,
    get unsent() {
      return socket.writableLength;
    },
    write: (bytes) => writeTo(socket, bytes),
    end: () => {
      socket.end();
    },
    destroy: () => socket.destroy(),
  };
  socket.on("error", (error) => {
    log.debug({ error: String(error), host: flow.host, transport }, "connection failed");
  });
  if (flow.port === 0 || !connections.add(connection)) {
    socket.destroy();
    return undefined;
  }
  const framer = createStreamFramer(context.maxMessageBytes);
  let partial: NodeJS.Timeout | undefined;
  let idleMs = IDLE_MS;
  const watchPartial = (progress: boolean): void => {
    if (framer.held > 0 && partial && !progress) return;
    clearTimeout(partial);
    partial = undefined;
    if (framer.held > 0)
      partial = setTimeout(() => {
        counters["slow-peer"]++;
        socket.destroy();
      }, PARTIAL_MS).unref();
  };
  socket.on("close", () => {
    clearTimeout(partial);
    connections.remove(connection);
  });
  socket.setTimeout(SILENT_MS, () => socket.destroy());
  socket.on("data", (chunk) => {
    ingress.shedder?.noteRead(false);
    let progress = false;
    for (const item of framer.push(typeof chunk === "string" ? chunk : chunk.toString("latin1"))) {
      progress = true;
      if (item.kind === "ping") {
        counters.keepalive++;
        // Twice the time asked for, and some: one keepalive may be late, two are a dead peer.
        idleMs = context.keepaliveSeconds * 2_000 + 10_000;
        connections.write(connection, "\r\n").catch(() => undefined);
      } else if (item.kind === "message") ingress.receive(item.text, flow);
      else {
        // Where the next message begins is not known any more.
        ingress.refuse(item.text, flow, item.status, item.reason);
        socket.end();
        socket.setTimeout(LAST_WORDS_MS);
        return;
      }
    }
    watchPartial(progress);
    socket.setTimeout(idleMs);
  });
  return connection;
}

function writeTo(socket: Socket, bytes: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!socket.writable) {
      reject(new Error("socket is not writable"));
      return;
    }
    socket.write(bytes, "latin1", (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
