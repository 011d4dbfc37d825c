import { createRequire } from "node:module";
import { expect } from "vitest";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import {
  announceInstance,
  INSTANCE_RENEW_MS,
  knownInstances,
  withdrawInstance,
} from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
import { openEdge, type Edge } from "#signaling/edge/open-edge.ts";
import { deliverToClient, wireDelivery } from "#signaling/edge/wire/wire-delivery.ts";
import { createWireServer, type WireServer } from "#signaling/edge/wire/wire-server.ts";

/** The part of drachtio-srf that a usual application uses; its own typings refuse most of it. */
export interface Message {
  method: string;
  uri: string;
  body: string;
  status: number;
  reason: string;
  stackDialogId: string;
  stackTxnId: string;
  protocol: string;
  source_address: string;
  source_port: number;
  receivedOn: string;
  res: Message;
  get(name: string): string;
  has(name: string): boolean;
  on(event: string, listener: (...values: never[]) => void): void;
  cancel(): void;
  proxy(options: object): Promise<ProxyResult>;
}
export interface ProxyResult {
  connected: boolean;
  finalStatus: number;
  responses: { msgs: { status: number }[] }[];
}
export interface Answer {
  send(status: number, ...more: unknown[]): void;
}
export interface Dialog {
  id: string;
  local: { sdp: string };
  remote: { sdp: string };
  sip: { localTag: string; remoteTag: string; callId: string };
  on(event: string, listener: (request: Message, answer: Answer) => void): void;
  destroy(): Promise<void>;
  modify(sdp: string): Promise<void>;
  request(options: object): Promise<Message>;
}
export type Middleware = (request: Message, answer: Answer) => void;
export interface Srf {
  connect(options: object): void;
  listen(options: object): void;
  disconnect(): void;
  endSession(message: Message): void;
  on(event: "connect" | "error", listener: (error: Error | null, ...more: string[]) => void): void;
  on(event: string, listener: (...values: unknown[]) => void): void;
  use(method: string, middleware: Middleware): void;
  invite(middleware: Middleware): void;
  options(middleware: Middleware): void;
  message(middleware: Middleware): void;
  createUAS(request: Message, answer: Answer, options: object): Promise<Dialog>;
  createUAC(uri: string, options: object, progress?: object): Promise<Dialog>;
  createB2BUA(
    request: Message,
    answer: Answer,
    uri: string,
    options: object,
  ): Promise<{ uas: Dialog; uac: Dialog }>;
  proxyRequest(request: Message, targets: string | string[], options?: object): Promise<ProxyResult>;
  request(uri: string, options: object): Promise<Message>;
}
export const Srf = createRequire(import.meta.url)("drachtio-srf") as new (tags?: string[]) => Srf;

/** An edge for applications, in this process. */
export interface WireEdge {
  readonly edge: Edge;
  readonly wire: WireServer;
  /** SIP over UDP. */
  readonly port: number;
  readonly drachtio: number;
  /** `host:port` that it goes by. */
  readonly advertised: string;
  /** Stops as after kill -9: its lease runs out, nothing is handed over. */
  die(): Promise<void>;
  close(): Promise<void>;
}

export async function startWireEdge(
  redisUrl: string,
  instance: string,
  settings: { readonly drachtio?: object; readonly sip?: object } = {},
): Promise<WireEdge> {
  const redis = connect(redisUrl, { log: silent });
  const config = configSchema.parse({
    sip: { port: 0, tlsPort: 0, ...settings.sip },
    drachtio: { port: 0, ...settings.drachtio },
  });
  const context = {
    config,
    instance,
    redis,
    log: silent,
    secret: "test secret",
    openBlocking: () => connect(redisUrl, { log: silent, blocking: true }),
  };
  const edge: Edge = openEdge({
    context,
    onRpc: (request) => Promise.resolve(deliverToClient(wire, request)),
  });
  const wire: WireServer = createWireServer({
    config,
    port: edge.port,
    instance,
    log: silent,
    peers: wireDelivery(edge.rpc, instance, () => knownInstances(redis)),
  });
  const card = { role: "edge", instance, pid: process.pid, listeners: {}, load: 0, draining: false } as const;
  await announceInstance(redis, card);
  const renewal = setInterval(
    () => void announceInstance(redis, card).catch(() => undefined),
    INSTANCE_RENEW_MS,
  );
  const { udp } = await edge.listen();
  const drachtio = await wire.listen();
  const stop = async (): Promise<void> => {
    clearInterval(renewal);
    await wire.close();
    await edge.close();
  };
  return {
    edge,
    wire,
    port: Number(udp.split(":").at(-1)),
    drachtio: Number(drachtio.split(":").at(-1)),
    advertised: edge.port.advertised,
    async die() {
      await stop();
      redis.disconnect();
    },
    async close() {
      await stop();
      await withdrawInstance(redis, card).catch(() => undefined);
      redis.disconnect();
    },
  };
}

export interface AttachOptions {
  readonly tags?: readonly string[];
  readonly secret?: string;
  /** Routes that `setUp` makes. */
  readonly routes?: number;
}

/** Applications of one test file, as their authors write them. */
export function openApps() {
  const attached = new Set<Srf>();
  return {
    /** Attaches an application, and waits until the edge knows the routes that it sets up. */
    async attach(to: WireEdge, setUp?: (srf: Srf) => void, options: AttachOptions = {}): Promise<Srf> {
      const { tags = [], secret = "cymru", routes = setUp ? 1 : 0 } = options;
      const srf = new Srf(...(tags.length > 0 ? [[...tags]] : []));
      setUp?.(srf);
      const known = to.wire.routes + routes;
      const connected = new Promise<Error | null>((resolve) => {
        srf.on("connect", resolve);
        srf.on("error", () => undefined);
      });
      srf.connect({ host: "127.0.0.1", port: to.drachtio, secret, reconnect: { maxAttempts: 1 } });
      const error = await connected;
      if (error) throw error;
      attached.add(srf);
      await expect.poll(() => to.wire.routes).toBe(known);
      return srf;
    },
    detach(srf: Srf): void {
      if (attached.delete(srf)) srf.disconnect();
    },
    detachAll(): void {
      for (const srf of attached) this.detach(srf);
    },
  };
}
