import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { Connection } from "./connections.ts";
import { shareConnects } from "./share-connects.ts";
import { attachStream, type StreamContext } from "./stream-connection.ts";

export const CONNECT_MS = 4_000;

/** A connection-oriented transport of this process. */
export interface StreamTransport {
  readonly port: number;
  /** The connection to an address, opened when there is none. */
  connectTo(flow: Flow): Promise<Connection>;
  /** Takes no more connections; those that are there stay. */
  stop(): void;
  close(): Promise<void>;
}

/** Opens the TCP port, shared with the other signaling processes of this machine. */
export async function openTcp(host: string, port: number, context: StreamContext): Promise<StreamTransport> {
  const { connections, log } = context;
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) => {
    attachStream(socket, "tcp", context);
  });
  await listenShared(server, host, port);
  server.on("error", (error) => {
    log.error({ error: String(error) }, "tcp listener failed");
  });

  const open = (flow: Flow): Promise<Connection> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: flow.host, port: flow.port, noDelay: true, keepAlive: true });
      const fail = (cause?: Error): void => {
        socket.destroy();
        reject(cannotConnect(flow, cause));
      };
      socket.setTimeout(CONNECT_MS, fail);
      socket.once("error", fail);
      socket.once("connect", () => {
        socket.off("error", fail);
        socket.removeAllListeners("timeout");
        const connection = attachStream(socket, "tcp", context);
        if (connection) resolve(connection);
        else fail();
      });
    });

  return {
    port: (server.address() as AddressInfo).port,
    connectTo: shareConnects((flow) => connections.byRemote(flow), open),
    stop: () => {
      server.close();
    },
    close: () => closeServer(server),
  };
}

/** Listens on a port that other processes of this machine may listen on too. */
export function listenShared(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, reusePort: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

export const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });

export const cannotConnect = ({ host, port }: Flow, cause?: unknown): CrossbandError =>
  new CrossbandError(ErrorCode.FlowGone, "cannot connect", { host, port }, { cause });
