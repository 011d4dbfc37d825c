import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { TransportCounters } from "./counters.ts";

/** A stream socket of this process, whatever its transport. */
export interface Connection {
  readonly flow: Flow;
  /** Bytes accepted and not yet taken by the kernel. */
  readonly unsent: number;
  write(bytes: string): Promise<void>;
  /** Closes at once. */
  destroy(): void;
}

/** Bytes that may wait for a peer that does not read; beyond it the connection is closed. */
export const MAX_UNSENT_BYTES = 1_048_576;
/** Stream sockets of one process. */
export const MAX_CONNECTIONS = 20_000;

export interface Connections {
  /** False when the table is full: the caller closes the socket. */
  add(connection: Connection): boolean;
  remove(connection: Connection): void;
  byId(id: string): Connection | undefined;
  /** A connection to this very address that a request may reuse. */
  byRemote(flow: Pick<Flow, "transport" | "host" | "port">): Connection | undefined;
  /** @throws CrossbandError FLOW_GONE when the peer does not take what it is sent */
  write(connection: Connection, bytes: string): Promise<void>;
  closeAll(): void;
  readonly size: number;
}

/** Every stream socket of the process by name and by remote address. */
export function createConnections(counters: TransportCounters, onClosed: (flow: Flow) => void): Connections {
  const byId = new Map<string, Connection>();
  const byRemote = new Map<string, Connection>();
  return {
    get size() {
      return byId.size;
    },
    add(connection) {
      if (byId.size >= MAX_CONNECTIONS || connection.flow.connection === undefined) {
        counters["connection-refused"]++;
        return false;
      }
      counters["connection-opened"]++;
      byId.set(connection.flow.connection, connection);
      byRemote.set(remoteKey(connection.flow), connection);
      return true;
    },
    remove(connection) {
      const { flow } = connection;
      if (flow.connection === undefined || byId.get(flow.connection) !== connection) return;
      counters["connection-closed"]++;
      byId.delete(flow.connection);
      if (byRemote.get(remoteKey(flow)) === connection) byRemote.delete(remoteKey(flow));
      onClosed(flow);
    },
    byId: (id) => byId.get(id),
    byRemote: (flow) => byRemote.get(remoteKey(flow)),
    async write(connection, bytes) {
      if (connection.unsent + bytes.length > MAX_UNSENT_BYTES) {
        counters["slow-peer"]++;
        connection.destroy();
        throw new CrossbandError(ErrorCode.FlowGone, "peer does not read", { host: connection.flow.host });
      }
      try {
        await connection.write(bytes);
        counters.sent++;
      } catch (cause) {
        counters["send-failed"]++;
        throw new CrossbandError(
          ErrorCode.FlowGone,
          "connection is gone",
          { host: connection.flow.host },
          { cause },
        );
      }
    },
    closeAll() {
      for (const connection of [...byId.values()]) connection.destroy();
    },
  };
}

const remoteKey = (flow: Pick<Flow, "transport" | "host" | "port">): string =>
  `${flow.transport}:${flow.host}:${flow.port}`;
