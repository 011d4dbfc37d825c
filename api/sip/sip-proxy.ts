import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "#common/log.ts";
import type { InstanceCard } from "#state/instance/instance.ts";
import type { Metrics } from "../metrics.ts";
import { upgradeHead } from "./upgrade-head.ts";

export interface SipProxy {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends every connection. Idempotent. */
  close(): void;
}

export interface SipProxyOptions {
  readonly listSignaling: () => Promise<readonly InstanceCard[]>;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Connections of one process, and of one address. Beyond them the answer is 503 and 429. */
const MAX_CONNECTIONS = 20_000;
const MAX_PER_SOURCE = 2_000;
/** A signaling process that takes longer to accept is passed over, in ms. */
const CONNECT_MS = 1_000;
/** Signaling processes that are tried for one browser. */
const TRIES = 3;

/**
 * Passes a browser's SIP over WebSocket on to a live signaling process, octet for octet. The WebSocket is the signaling
 * process's: when that dies this side closes too, and the browser connects again and reaches another.
 */
export function createSipProxy({ listSignaling, metrics, log }: SipProxyOptions): SipProxy {
  const open = new Set<Duplex>();
  const perSource = new Map<string, number>();

  const refuse = (socket: Duplex, status: string, reason: string): void => {
    metrics.sipRefused.inc({ reason });
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n`);
  };

  const reach = async (): Promise<Socket | undefined> => {
    const candidates = byLoad(await listSignaling()).slice(0, TRIES);
    for (const { listeners, instance } of candidates) {
      const upstream = await dial(listeners["ws"] ?? "");
      if (upstream) return upstream;
      log.warn({ instance }, "signaling process did not accept a connection");
    }
    return undefined;
  };

  const join = async (
    request: IncomingMessage,
    client: Duplex,
    head: Buffer,
    source: string,
  ): Promise<void> => {
    const upstream = await reach().catch((error: unknown) => {
      log.warn({ error: String(error) }, "signaling processes not listed");
      return undefined;
    });
    if (!upstream) {
      refuse(client, "503 Service Unavailable", "no-signaling");
      return;
    }
    if (client.destroyed) {
      upstream.destroy();
      return;
    }
    upstream.setNoDelay(true);
    upstream.on("error", () => undefined);
    upstream.write(upgradeHead(request, source));
    if (head.length > 0) upstream.write(head);
    // pipe() stops reading from the fast side, so neither direction holds more than a socket's buffer.
    client.pipe(upstream);
    upstream.pipe(client);
    upstream.on("close", () => client.destroy());
    client.on("close", () => upstream.destroy());
  };

  return {
    upgrade(request, client, head) {
      const source = request.socket.remoteAddress ?? "unknown";
      const mine = perSource.get(source) ?? 0;
      client.on("error", () => undefined);
      if (open.size >= MAX_CONNECTIONS) {
        refuse(client, "503 Service Unavailable", "full");
        return;
      }
      if (mine >= MAX_PER_SOURCE) {
        refuse(client, "429 Too Many Requests", "source-full");
        return;
      }
      open.add(client);
      perSource.set(source, mine + 1);
      metrics.sipSockets.inc();
      client.on("close", () => {
        open.delete(client);
        metrics.sipSockets.dec();
        const left = (perSource.get(source) ?? 1) - 1;
        if (left > 0) perSource.set(source, left);
        else perSource.delete(source);
      });
      void join(request, client, head, source);
    },
    close() {
      for (const client of open) client.destroy();
    },
  };
}

/** Idle ones first; equal ones in a random order, so that they share. */
function byLoad(cards: readonly InstanceCard[]): InstanceCard[] {
  return cards
    .filter(
      ({ role, draining, listeners }) => role === "signaling" && !draining && listeners["ws"] !== undefined,
    )
    .map((card) => ({ card, weight: Math.round(card.load * 10) + Math.random() }))
    .sort((a, b) => a.weight - b.weight)
    .map(({ card }) => card);
}

/** A connection to `host:port`, or undefined when nobody accepts in time. */
function dial(address: string): Promise<Socket | undefined> {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(address.slice(at + 1)) });
    const settle = (result: Socket | undefined): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      // A socket without a listener throws its error.
      socket.on("error", () => undefined);
      if (!result) socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => {
      settle(undefined);
    }, CONNECT_MS);
    socket.once("connect", () => {
      settle(socket);
    });
    socket.once("error", () => {
      settle(undefined);
    });
  });
}
