import { randomBytes } from "node:crypto";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
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
const CONNECT_MS = 4_000;
/** Half of a message may stay unfinished for this long. */
const PARTIAL_MS = 30_000;

export interface TcpTransport {
  readonly port: number;
  /** The connection to an address, opened when there is none. */
  connectTo(flow: Flow): Promise<Connection>;
  close(): Promise<void>;
}

export interface StreamContext {
  readonly instance: string;
  readonly maxMessageBytes: number;
  readonly ingress: Ingress;
  readonly connections: Connections;
  readonly counters: TransportCounters;
  readonly log: Logger;
}

/** Opens the TCP port, shared with the other signaling processes of this machine. */
export async function openTcp(host: string, port: number, context: StreamContext): Promise<TcpTransport> {
  const { connections, log } = context;
  const connecting = new Map<string, Promise<Connection>>();
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) => {
    attach(socket, context);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, reusePort: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", (error) => {
    log.error({ error: String(error) }, "tcp listener failed");
  });

  const open = (flow: Flow): Promise<Connection> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: flow.host, port: flow.port, noDelay: true, keepAlive: true });
      const fail = (cause?: Error): void => {
        socket.destroy();
        reject(
          new CrossbandError(
            ErrorCode.FlowGone,
            "cannot connect",
            { host: flow.host, port: flow.port },
            { cause },
          ),
        );
      };
      socket.setTimeout(CONNECT_MS, fail);
      socket.once("error", fail);
      socket.once("connect", () => {
        socket.off("error", fail);
        socket.removeAllListeners("timeout");
        const connection = attach(socket, context);
        if (connection) resolve(connection);
        else fail();
      });
    });

  return {
    port: (server.address() as AddressInfo).port,
    connectTo(flow) {
      const existing = connections.byRemote(flow);
      if (existing) return Promise.resolve(existing);
      const key = `${flow.host}:${flow.port}`;
      let attempt = connecting.get(key);
      if (!attempt) {
        attempt = open(flow).finally(() => connecting.delete(key));
        connecting.set(key, attempt);
      }
      return attempt;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
}

/** Reads messages from a socket and makes it a connection. Undefined when there are too many. */
function attach(socket: Socket, context: StreamContext): Connection | undefined {
  const { connections, counters, ingress, log } = context;
  const flow: Flow = {
    transport: "tcp",
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
    destroy: () => socket.destroy(),
  };
  socket.on("error", (error) => {
    log.debug({ error: String(error), host: flow.host }, "tcp connection failed");
  });
  if (flow.port === 0 || !connections.add(connection)) {
    socket.destroy();
    return undefined;
  }
  const framer = createStreamFramer(context.maxMessageBytes);
  socket.on("close", () => {
    connections.remove(connection);
  });
  socket.setTimeout(SILENT_MS, () => socket.destroy());
  socket.on("data", (chunk) => {
    for (const item of framer.push(typeof chunk === "string" ? chunk : chunk.toString("latin1"))) {
      if (item.kind === "ping") {
        counters.keepalive++;
        void writeTo(socket, "\r\n").catch(() => undefined);
      } else if (item.kind === "message") ingress.receive(item.text, flow);
      else {
        // Where the next message begins is not known any more.
        ingress.refuse(item.text, flow, item.status, item.reason);
        socket.end();
        socket.setTimeout(1_000);
        return;
      }
    }
    socket.setTimeout(framer.held > 0 ? PARTIAL_MS : IDLE_MS);
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
