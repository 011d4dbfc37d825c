import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { cdrKey, callKey } from "#state/call/call.keys.ts";
import { announceInstance, INSTANCE_RENEW_MS, withdrawInstance } from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
import { openEdge, type Edge } from "#signaling/edge/open-edge.ts";
import { legIdOf, newCallId } from "#signaling/edge/engine/ids.ts";
import { answeringHandler } from "#signaling/edge/testing/answering-handler.ts";
import { openUdpPhone, SDP, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { createWireServer, type WireServer } from "#signaling/edge/wire/wire-server.ts";
import type { SipEvent, SipHandler } from "#signaling/sip-port/sip-port.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { openDrachtioPort, type DrachtioPort } from "./drachtio-port.ts";

let server: RedisServer;
let redis: Redis;
let edge: Edge;
let wire: WireServer;
let sipPort: number;
let drachtio: string;
let phone: UdpPhone;
const ports: DrachtioPort[] = [];
/** What ends the lease of each instance. */
const leases = new Map<string, () => Promise<unknown>>();
const withdraw = async (instance: string): Promise<void> => {
  await leases.get(instance)?.();
  leases.delete(instance);
};
const toClose: (() => void)[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  const edgeRedis = connect(server.url, { log: silent });
  const config = configSchema.parse({ sip: { port: 0, tlsPort: 0 }, drachtio: { port: 0 } });
  edge = openEdge({
    context: {
      config, redis: edgeRedis, instance: "edge", secret: "test secret", log: silent,
      openBlocking: () => connect(server.url, { log: silent, blocking: true }),
    },
  }); // prettier-ignore
  wire = createWireServer({ config, port: edge.port, instance: "edge", log: silent });
  drachtio = await wire.listen();
  sipPort = Number((await edge.listen()).udp.split(":")[1]);
  toClose.push(() => {
    edgeRedis.disconnect();
  });
});
afterAll(async () => {
  await wire.close();
  await edge.close();
  for (const close of toClose) close();
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  phone = await openUdpPhone();
});
afterEach(async () => {
  phone.close();
  await Promise.all(ports.splice(0).map((port) => port.close()));
  await Promise.all([...leases.keys()].map(withdraw));
  await expect.poll(() => wire.clients).toBe(0);
});

async function attach(handler: SipHandler, instance: string): Promise<DrachtioPort> {
  const own = connect(server.url, { log: silent });
  toClose.push(() => {
    own.disconnect();
  });
  const routes = wire.routes;
  const card = {
    role: "signaling",
    instance,
    pid: process.pid,
    listeners: {},
    load: 0,
    draining: false,
  } as const;
  const announce = (): void => void announceInstance(own, card).catch(() => undefined);
  announce();
  const renewal = setInterval(announce, INSTANCE_RENEW_MS);
  leases.set(instance, () => {
    clearInterval(renewal);
    return withdrawInstance(own, card).catch(() => undefined);
  });
  const port = openDrachtioPort({
    server: `drachtio://${drachtio}`,
    secret: "cymru",
    instance,
    redis: own,
    log: silent,
  });
  ports.push(port);
  port.handle(handler);
  await port.ready;
  await expect.poll(() => wire.routes).toBe(routes + 14);
  return port;
}

const request = (method: string, toTag: string, seq: number) =>
  phone.request({ method, seq, branch: `${phone.name}${method}${seq}`, toTag });

describe("call control on a remote edge", () => {
  it("answers a call, hears its ACK and BYE, and writes one detail record beside the edge's record", async () => {
    const told: string[] = [];
    await attach(
      answeringHandler(({ type }) => told.push(type)),
      "one",
    );
    phone.send(sipPort, phone.invite());
    const ok = await phone.next(200);
    expect(ok.body).toBe(SDP);
    const toTag = ok.to.tag ?? "";
    const callId = toTag.slice(0, toTag.indexOf("."));
    expect(await redis.exists(callKey(callId, "control"))).toBe(1);
    phone.send(sipPort, request("ACK", toTag, 1));
    await expect.poll(() => told).toEqual(["request", "ack"]);
    phone.send(sipPort, request("BYE", toTag, 2));
    expect((await phone.next(200)).cseq.method).toBe("BYE");
    expect(await redis.exists(callKey(callId, "control"))).toBe(0);
    const records = JSON.stringify(await redis.xrange(cdrKey(callId), "-", "+"));
    expect(records.split(callId)).toHaveLength(2);
  });

  it("tells of a local 481 when a dialog is not known", async () => {
    const events: SipEvent[] = [];
    const handler: SipHandler = {
      onEvent: (event) => {
        events.push(event);
        return Promise.resolve();
      },
      onTimer: () => Promise.resolve(),
      recover: () => Promise.resolve(),
    };
    const port = await attach(handler, "one");
    const call = newCallId();
    await port.begin(call, (step) => {
      step.command({ type: "in-dialog", leg: legIdOf(call, 0), method: "BYE" });
      return Promise.resolve();
    });
    await expect
      .poll(() => events)
      .toMatchObject([{ type: "response", status: 481, local: true, method: "BYE" }]);
  });

  it("fires timers, and gives a ringing call to another process when its own is gone", async () => {
    const did: string[] = [];
    const ringing = (name: string): SipHandler => ({
      onEvent: (event, step) => {
        did.push(`${name} ${event.type}`);
        if (event.type !== "request") return Promise.resolve();
        step.save({ txn: event.txn });
        step.timer("ring", Date.now() + 50);
        step.command({ type: "reply", txn: event.txn, status: 180 });
        return Promise.resolve();
      },
      onTimer: (timer) => {
        did.push(`${name} timer ${timer}`);
        return Promise.resolve();
      },
      recover: async (step) => {
        did.push(`${name} recover`);
        const state = await step.load<{ txn: string }>();
        step.command({ type: "reply", txn: state?.txn ?? "", status: 486 });
        step.save(undefined);
      },
    });
    const one = await attach(ringing("one"), "one");
    phone.send(sipPort, phone.invite());
    await phone.next(180);
    await expect.poll(() => did).toEqual(["one request", "one timer ring"]);
    await attach(ringing("two"), "two");
    await one.close();
    await phone.next(486);
    expect(did.at(-1)).toBe("two recover");
  });

  it("takes over the answered calls of a process that is gone", async () => {
    const recovered: string[] = [];
    const answering = (name: string): SipHandler => ({
      ...answeringHandler(),
      recover: (step) => {
        step.after(() => recovered.push(`${name} ${step.callId}`));
        return Promise.resolve();
      },
    });
    const one = await attach(answering("one"), "one");
    phone.send(sipPort, phone.invite());
    const toTag = (await phone.next(200)).to.tag ?? "";
    phone.send(sipPort, request("ACK", toTag, 1));
    const callId = toTag.slice(0, toTag.indexOf("."));
    const record = async (): Promise<string> => (await redis.get(callKey(callId, "control"))) ?? "";
    await expect.poll(record).toContain('"worker":"one"');
    await attach(answering("two"), "two");
    await withdraw("one");
    await one.close();
    await expect.poll(() => recovered, { timeout: 5_000 }).toEqual([`two ${callId}`]);
    await expect.poll(record).toContain('"worker":"two"');
    phone.send(sipPort, request("BYE", toTag, 2));
    expect((await phone.next(200)).cseq.method).toBe("BYE");
  });
});
