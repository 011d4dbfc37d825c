import { configSchema } from "#common/config.ts";
import { silent, type Logger } from "#common/log.ts";
import {
  announceInstance,
  INSTANCE_RENEW_MS,
  withdrawInstance,
  type InstanceCard,
} from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
import type { SipHandler } from "#signaling/sip-port/sip-port.ts";
import { openEdge, type Edge } from "#signaling/edge/open-edge.ts";

export interface TestEdge {
  readonly edge: Edge;
  readonly port: number;
  readonly instance: string;
  close(): Promise<void>;
}

export interface TestEdgeOptions {
  readonly redisUrl: string;
  readonly instance: string;
  readonly handler: SipHandler;
  /** 0 for a free one. Several edges may share one. */
  readonly port?: number;
  readonly log?: Logger;
  /** Asked for the targets of names. */
  readonly nameServers?: readonly string[];
}

/** The address that every edge of a test goes by, whichever port it listens on. */
export const ADVERTISED = "127.0.0.1:5999";

/** An edge with its lease, as a role process runs it. */
export async function startTestEdge(options: TestEdgeOptions): Promise<TestEdge> {
  const { redisUrl, instance, handler, port = 0, log = silent, nameServers = [] } = options;
  const redis = connect(redisUrl, { log });
  const edge = openEdge({
    context: {
      config: configSchema.parse({ sip: { port, tlsPort: 0, advertised: ADVERTISED, nameServers } }),
      log,
      instance,
      secret: "test secret",
      redis,
      openBlocking: () => connect(redisUrl, { log, blocking: true }),
    },
  });
  const card: InstanceCard = {
    role: "edge",
    instance,
    pid: process.pid,
    listeners: {},
    load: 0,
    draining: false,
  };
  await announceInstance(redis, card);
  const renewal = setInterval(
    () => void announceInstance(redis, card).catch(() => undefined),
    INSTANCE_RENEW_MS,
  );
  edge.port.handle(handler);
  const { udp } = await edge.listen();
  return {
    edge,
    instance,
    port: Number(udp.slice(udp.lastIndexOf(":") + 1)),
    async close() {
      clearInterval(renewal);
      await edge.close();
      await withdrawInstance(redis, card).catch(() => undefined);
      redis.disconnect();
    },
  };
}
