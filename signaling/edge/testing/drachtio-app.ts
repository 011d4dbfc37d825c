import { setTimeout as delay } from "node:timers/promises";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { announceInstance, INSTANCE_RENEW_MS, withdrawInstance } from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
import { openEdge, type Edge } from "#signaling/edge/open-edge.ts";
import { framesFor, openWire } from "#signaling/edge/wire/open-wire.ts";
import type { WireServer } from "#signaling/edge/wire/wire-server.ts";
import { closeSrf, Srf } from "./drachtio-srf.ts";

export type { Dialog, Message, ProxyResult } from "./drachtio-srf.ts";

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
  const edge: Edge = openEdge({ context, onRpc: framesFor(() => wire) });
  const wire: WireServer = openWire(context, edge.port, edge.rpc);
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
      for (let waited = 0; to.wire.routes !== known && waited < 1_000; waited += 5) await delay(5);
      return srf;
    },
    detach(srf: Srf): void {
      if (attached.delete(srf)) closeSrf(srf);
    },
    detachAll(): void {
      for (const srf of attached) this.detach(srf);
    },
  };
}
