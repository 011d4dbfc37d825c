import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { TransportCounters } from "./counters.ts";

/** A stream socket of this process, whatever its transport. */
export interface Connection {
  readonly flow: Flow;
  /** Bytes accepted and not yet taken by the kernel. */
  readonly unsent: number;
  write(bytes: string): Promise<void>;
  /** Closes once what was written has been sent: this process leaves, the peer finds another. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** Bytes that may wait for a peer that does not read; beyond it the connection is closed. */
export const MAX_UNSENT_BYTES = 1_048_576;

/** How many stream sockets a process keeps. */
export interface ConnectionLimits {
  readonly all: number;
  /** From one address: an office behind a translator fits, one attacker does not take all. */
  readonly perSource: number;
  /** False for an address that is banned. */
  readonly mayConnect: (host: string) => boolean;
  /** True for an address whose connections are limited together with all others alone: a peer of a trunk. */
  readonly isTrusted: (host: string) => boolean;
}

export interface Connections {
  /** False when there is no room for one more from this address: refuse it before anything is spent on it. */
  mayOpen(host: string): boolean;
  /** False when the table is full: the caller closes the socket. */
  add(connection: Connection): boolean;
  remove(connection: Connection): void;
  byId(id: string): Connection | undefined;
  /** A connection to this very address that a request may reuse. */
  byRemote(flow: Pick<Flow, "transport" | "host" | "port">): Connection | undefined;
  /** @throws CrossbandError FLOW_GONE when the peer does not take what it is sent */
  write(connection: Connection, bytes: string): Promise<void>;
  closeAll(): void;
  /** Asks every peer to go elsewhere; resolves when all have, or after `limitMs`. */
  leaveAll(limitMs: number): Promise<void>;
  readonly size: number;
  /** How many of each transport. */
  countByTransport(): Readonly<Record<string, number>>;
}

/** Every stream socket of the process by name and by remote address. */
export function createConnections(
  counters: TransportCounters,
  onClosed: (flow: Flow) => void,
  limits: ConnectionLimits,
): Connections {
  const byId = new Map<string, Connection>();
  const byRemote = new Map<string, Connection>();
  const perSource = new Map<string, number>();
  const mayOpen = (host: string): boolean =>
    byId.size < limits.all &&
    ((perSource.get(host) ?? 0) < limits.perSource || limits.isTrusted(host)) &&
    limits.mayConnect(host);
  return {
    mayOpen,
    get size() {
      return byId.size;
    },
    add(connection) {
      const { host, connection: id } = connection.flow;
      if (id === undefined || !mayOpen(host)) {
        counters["connection-refused"]++;
        return false;
      }
      perSource.set(host, (perSource.get(host) ?? 0) + 1);
      counters["connection-opened"]++;
      byId.set(id, connection);
      byRemote.set(remoteKey(connection.flow), connection);
      return true;
    },
    remove(connection) {
      const { flow } = connection;
      if (flow.connection === undefined || byId.get(flow.connection) !== connection) return;
      counters["connection-closed"]++;
      const left = (perSource.get(flow.host) ?? 1) - 1;
      if (left > 0) perSource.set(flow.host, left);
      else perSource.delete(flow.host);
      byId.delete(flow.connection);
      if (byRemote.get(remoteKey(flow)) === connection) byRemote.delete(remoteKey(flow));
      onClosed(flow);
    },
    countByTransport() {
      const counts: Record<string, number> = {};
      for (const { flow } of byId.values()) counts[flow.transport] = (counts[flow.transport] ?? 0) + 1;
      return counts;
    },
    byId: (id) => byId.get(id),
    byRemote: (flow) => byRemote.get(remoteKey(flow)),
    async write(connection, bytes) {
      if (connection.unsent + bytes.length > MAX_UNSENT_BYTES) {
        counters["slow-peer"]++;
        connection.destroy();
        // What is sent in this very turn finds it gone.
        this.remove(connection);
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
    async leaveAll(limitMs) {
      for (const connection of [...byId.values()]) connection.end();
      const deadline = performance.now() + limitMs;
      while (byId.size > 0 && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 20));
    },
    closeAll() {
      for (const connection of [...byId.values()]) connection.destroy();
    },
  };
}

const remoteKey = (flow: Pick<Flow, "transport" | "host" | "port">): string =>
  `${flow.transport}:${flow.host}:${flow.port}`;
