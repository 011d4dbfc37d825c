import { silent } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import { startWireEdge } from "#signaling/edge/testing/drachtio-app.ts";
import { startTestEdge } from "#signaling/edge/testing/test-edge.ts";
import { openDrachtioPort, type DrachtioPort } from "#signaling/calls/drachtio/drachtio-port.ts";
import { announceInstance } from "#state/instance/instance.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import type { SipHandler } from "./sip-port.ts";
import { describeSipPort, type SipPortRig } from "./testing/describe-sip-port.ts";

/** Where a drachtio-server may be found, as `host:port`, its SIP port on loopback, and its secret. */
const {
  CROSSBAND_TEST_DRACHTIO: stock,
  CROSSBAND_TEST_DRACHTIO_SIP = "5060",
  CROSSBAND_TEST_DRACHTIO_SECRET = "cymru",
} = process.env;

const NOBODY: SipHandler = {
  onEvent: () => Promise.resolve(),
  onTimer: () => Promise.resolve(),
  recover: () => Promise.resolve(),
};

async function inProcess(): Promise<SipPortRig> {
  const redis = await startRedis();
  let current = NOBODY;
  const handler: SipHandler = {
    onEvent: (event, step) => current.onEvent(event, step),
    onTimer: (name, step) => current.onTimer(name, step),
    recover: (step) => current.recover(step),
  };
  const edge = await startTestEdge({ redisUrl: redis.url, instance: "one", handler });
  return {
    sip: edge.port,
    attach(given) {
      current = given;
      return Promise.resolve(edge.edge.port);
    },
    detach() {
      current = NOBODY;
      return Promise.resolve();
    },
    async close() {
      await edge.close();
      await redis.stop();
    },
  };
}

/** Call control over drachtio's protocol; its own records are in a Redis of its own. */
async function overDrachtio(server: string, secret: string, sip: number, routed: () => Promise<void>) {
  const redisServer = await startRedis();
  const redis = connect(redisServer.url, { log: silent });
  let port: DrachtioPort | undefined;
  return {
    sip,
    async attach(handler: SipHandler) {
      const instance = "control";
      await announceInstance(redis, { role: "signaling", instance, pid: process.pid, listeners: {}, load: 0, draining: false }); // prettier-ignore
      port = openDrachtioPort({ server: `drachtio://${server}`, secret, instance, redis, log: silent });
      port.handle(handler);
      await port.ready;
      await routed();
      return port;
    },
    async detach() {
      await port?.close();
    },
    async close() {
      redis.disconnect();
      await redisServer.stop();
    },
  };
}

async function onRemoteEdge(): Promise<SipPortRig> {
  const redis = await startRedis();
  const edge = await startWireEdge(redis.url, "one");
  const known = async (): Promise<void> => {
    while (edge.wire.routes < 14) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const rig = await overDrachtio(`127.0.0.1:${edge.drachtio}`, "cymru", edge.port, known);
  return {
    ...rig,
    async detach() {
      await rig.detach();
      while (edge.wire.clients > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    async close() {
      await rig.close();
      await edge.close();
      await redis.stop();
    },
  };
}

describeSipPort("in process", inProcess);
describeSipPort("on a remote edge", onRemoteEdge);
if (stock !== undefined) {
  // A drachtio-server has no word for when it knows the routes.
  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));
  describeSipPort(
    "on a drachtio-server",
    () => overDrachtio(stock, CROSSBAND_TEST_DRACHTIO_SECRET, Number(CROSSBAND_TEST_DRACHTIO_SIP), settled),
    { "names the leg in what it sends": "drachtio-server makes its own tags" },
  );
}
