import { systemClock } from "#common/clock.ts";
import type { Config } from "#common/config.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import type { Certificates } from "#state/certificate/certificates.ts";
import { formatHost } from "#signaling/edge/message/uri.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { reachableAddress } from "./address.ts";
import { createConnections } from "./connections.ts";
import { newCounters, type TransportCounters } from "./counters.ts";
import { createIngress } from "./ingress.ts";
import { createTargetResolver, systemNames } from "./resolve.ts";
import type { Shedder } from "#signaling/edge/overload/shedder.ts";
import { createSourceGuard, type Ban, type SourceGuard } from "./source-guard.ts";
import type { StreamContext } from "./stream-connection.ts";
import { openTcp, type StreamTransport } from "./tcp.ts";
import { openTls } from "./tls.ts";
import type { Transports } from "./transport.ts";
import { openUdp, type UdpTransport } from "./udp.ts";
import { openWs, type WsTransport } from "./ws.ts";

export interface SocketsOptions {
  readonly config: Pick<Config, "host" | "sip">;
  readonly instance: string;
  readonly log: Logger;
  /** Hands bytes to the instance that owns a flow: RPC `POST /flows/<connection>`. */
  readonly deliverElsewhere: (instance: string, connection: string, bytes: string) => Promise<void>;
  /** What the TLS port shows; without it there is none. Asked for when the sockets begin to listen. */
  readonly certificates?: () => Promise<Certificates>;
}

export interface Sockets extends Transports {
  /** Takes no more stream connections: whoever connects reaches another process of the cluster. */
  stopAccepting(): void;
  /** Closes stream connections politely; resolves when their peers have gone, or after `limitMs`. */
  leaveConnections(limitMs: number): Promise<void>;
  /** Accounts of those who send. */
  readonly guard: SourceGuard;
  /** Told when an address is not read any more. */
  onBan(handler: (ban: Ban) => void): void;
  readonly counters: Readonly<TransportCounters>;
  /** Stream sockets that are open. */
  readonly connectionCount: number;
  /** The same by transport. */
  connectionsByTransport(): Readonly<Record<string, number>>;
  /** Lets messages be turned away before they are parsed. */
  screenWith(shedder: Pick<Shedder, "screen" | "noteRead">): void;
}

/** With port 0 the kernel names a UDP port that may be taken for TCP: try another. */
const PORT_ATTEMPTS = 5;

/** The SIP sockets of one process: UDP and TCP on the shared port, WebSocket on an internal one. */
export function createSockets(options: SocketsOptions): Sockets {
  const { config, instance, log } = options;
  const counters = newCounters();
  const { messagesPerSecond, banSeconds, neverBanned, scanners } = config.sip.limits;
  let banned: (ban: Ban) => void = () => undefined;
  const guard = createSourceGuard(
    systemClock,
    { messagesPerSecond, banMs: banSeconds * 1_000, neverBanned: new Set(neverBanned) },
    (ban) => {
      banned(ban);
    },
  );
  const resolve = createTargetResolver(systemNames(config.sip.nameServers));
  let closedHandler: (flow: Flow) => void = () => undefined;
  const connections = createConnections(
    counters,
    (flow) => {
      closedHandler(flow);
    },
    {
      all: config.sip.limits.connections,
      perSource: config.sip.limits.connectionsPerSource,
      mayConnect: (host) => guard.mayConnect(host),
      isTrusted: (host) => guard.isTrusted({ host, port: 0 }),
    },
  );
  const ingress = createIngress(config.sip.maxMessageBytes, guard, scanners, counters, answer, log);
  const context: StreamContext = {
    instance,
    maxMessageBytes: config.sip.maxMessageBytes,
    keepaliveSeconds: config.sip.keepaliveSeconds,
    ingress,
    connections,
    counters,
    log,
  };
  let udp: UdpTransport | undefined;
  let tcp: StreamTransport | undefined;
  let tls: StreamTransport | undefined;
  let certificates: Certificates | undefined;
  let ws: WsTransport | undefined;

  function answer(flow: Flow, bytes: string): void {
    send(flow, bytes).catch((error: unknown) => {
      log.debug({ error: String(error), host: flow.host }, "answer not sent");
    });
  }

  async function send(flow: Flow, bytes: string): Promise<void> {
    if (flow.transport === "udp") {
      if (!udp) throw new CrossbandError(ErrorCode.FlowGone, "not listening");
      return udp.send(flow, bytes);
    }
    if (flow.connection !== undefined) {
      if (flow.instance !== undefined && flow.instance !== instance) {
        counters["delivered-elsewhere"]++;
        return options.deliverElsewhere(flow.instance, flow.connection, bytes);
      }
      return deliver(flow.connection, bytes);
    }
    const transport = flow.transport === "tcp" ? tcp : flow.transport === "tls" ? tls : undefined;
    if (!transport)
      throw new CrossbandError(ErrorCode.FlowGone, "no way to this peer", { transport: flow.transport });
    return connections.write(await transport.connectTo(flow), bytes);
  }

  async function deliver(connection: string, bytes: string): Promise<void> {
    const found = connections.byId(connection);
    if (!found) throw new CrossbandError(ErrorCode.FlowGone, "connection is gone", { connection });
    await connections.write(found, bytes);
  }

  const openShared = async (): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      udp = await openUdp(config.host, config.sip.port, ingress, counters, log);
      try {
        tcp = await openTcp(config.host, config.sip.port === 0 ? udp.port : config.sip.port, context);
        return;
      } catch (error) {
        await udp.close();
        udp = undefined;
        if (config.sip.port !== 0 || attempt >= PORT_ATTEMPTS) throw error;
      }
    }
  };

  /** The cluster's host, at the port of TLS: one that is translated on the way must be the same outside. */
  const advertisedTls = (): string => {
    const host = config.sip.advertised?.replace(/:\d+$/, "") ?? formatHost(reachableAddress(config.host));
    return `${host}:${tls?.port ?? config.sip.tlsPort}`;
  };

  return {
    counters,
    get connectionCount() {
      return connections.size;
    },
    connectionsByTransport: () => connections.countByTransport(),
    guard,
    onBan(handler) {
      banned = handler;
    },
    send,
    resolve,
    onMessage(handler) {
      ingress.handler = handler;
    },
    screenWith(shedder) {
      ingress.shedder = shedder;
    },
    onFlowClosed(handler) {
      closedHandler = handler;
    },
    forCluster: config.sip.advertised !== undefined,
    advertised(transport) {
      if (transport === "tls") return advertisedTls();
      return (
        config.sip.advertised ??
        `${formatHost(reachableAddress(config.host))}:${udp?.port ?? config.sip.port}`
      );
    },
    async deliver(connection, bytes) {
      counters["delivered-here"]++;
      await deliver(connection, bytes);
    },
    async listen() {
      await openShared();
      ws = await openWs(config.host, context);
      certificates = await options.certificates?.();
      if (certificates)
        tls = await openTls(config.host, config.sip.tlsPort, config.sip.tls, certificates, context);
      const at = (port: number | undefined): string => `${formatHost(config.host)}:${port ?? 0}`;
      return { udp: at(udp?.port), tcp: at(tcp?.port), ws: at(ws.port), ...(tls && { tls: at(tls.port) }) };
    },
    stopAccepting() {
      for (const transport of [tcp, tls, ws]) transport?.stop();
    },
    leaveConnections: (limitMs) => connections.leaveAll(limitMs),
    async close() {
      const open = [udp, tcp, tls, ws].filter((transport) => transport !== undefined);
      udp = tcp = tls = ws = undefined;
      certificates?.close();
      const closing = open.map((transport) => transport.close());
      connections.closeAll();
      await Promise.all(closing);
    },
  };
}
