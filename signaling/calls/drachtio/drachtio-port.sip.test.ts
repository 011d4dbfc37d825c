import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { cdrKey, callKey } from "#state/call/call.keys.ts";
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
  await expect.poll(() => wire.clients).toBe(0);
});

async function attach(handler: SipHandler, instance: string): Promise<DrachtioPort> {
  const own = connect(server.url, { log: silent });
  toClose.push(() => {
    own.disconnect();
  });
  const routes = wire.routes;
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

const respond = (got: Awaited<ReturnType<UdpPhone["next"]>>, status: number, body = "") => {
  const copied = ["Via", "From", "Call-ID", "CSeq"].flatMap((name) =>
    got.headers(name).map((value) => `${name}: ${value}\r\n`),
  );
  const to = got.to.tag === undefined ? `${got.header("To") ?? ""};tag=bob` : (got.header("To") ?? "");
  const type = body === "" ? "" : "Content-Type: application/sdp\r\n";
  phone.send(
    sipPort,
    `SIP/2.0 ${status} X\r\n${copied.join("")}To: ${to}\r\nContact: <sip:bob@127.0.0.1:${phone.port}>\r\n${type}Content-Length: ${body.length}\r\n\r\n${body}`,
  );
};

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

  it("hears a CANCEL", async () => {
    const told: string[] = [];
    const handler: SipHandler = {
      onEvent: (event, step) => {
        told.push(event.type);
        if (event.type === "request") step.command({ type: "reply", txn: event.txn, status: 180 });
        return Promise.resolve();
      },
      onTimer: () => Promise.resolve(),
      recover: () => Promise.resolve(),
    };
    await attach(handler, "one");
    phone.send(sipPort, phone.invite());
    await phone.next(180);
    phone.send(sipPort, phone.request({ method: "CANCEL", seq: 1, branch: `${phone.name}i` }));
    await phone.next(487);
    await expect.poll(() => told).toEqual(["request", "cancel"]);
  });

  it("calls, ACKs, sends INFO and BYE, by leg", async () => {
    const events: SipEvent[] = [];
    const handler: SipHandler = {
      onEvent: (event, step) => {
        events.push(event);
        if (event.type === "response" && event.method === "INVITE" && event.status === 200) {
          step.command({ type: "ack", leg: event.leg });
          step.command({
            type: "in-dialog",
            leg: event.leg,
            method: "INFO",
            body: "Signal=1\r\n",
            contentType: "application/dtmf-relay",
          });
        }
        if (event.type === "response" && event.method === "INFO")
          step.command({ type: "in-dialog", leg: event.leg, method: "BYE" });
        return Promise.resolve();
      },
      onTimer: () => Promise.resolve(),
      recover: () => Promise.resolve(),
    };
    const port = await attach(handler, "one");
    const call = newCallId();
    const leg = legIdOf(call, 1);
    await port.begin(call, (step) => {
      step.command({
        type: "request",
        leg,
        method: "INVITE",
        uri: `sip:bob@127.0.0.1:${phone.port}`,
        from: "<sip:alice@crossband.local>",
        to: "<sip:bob@crossband.local>",
        body: SDP,
        contentType: "application/sdp",
      });
      return Promise.resolve();
    });
    const invite = await phone.next("INVITE");
    expect(invite.from.tag).toBe(leg);
    expect(invite.header("X-Crossband-Leg")).toBeUndefined();
    expect(invite.body).toBe(SDP);
    respond(invite, 180);
    respond(invite, 200, SDP);
    await phone.next("ACK");
    respond(await phone.next("INFO"), 200);
    respond(await phone.next("BYE"), 200);
    await expect
      .poll(() => events.map((event) => (event.type === "response" ? event.status : 0)))
      .toEqual([180, 200, 200, 200]);
    expect(events.every((event) => event.leg === leg)).toBe(true);
  });

  it("cancels a call that rings", async () => {
    const statuses: number[] = [];
    const handler: SipHandler = {
      onEvent: (event, step) => {
        if (event.type === "response") {
          statuses.push(event.status);
          if (event.status === 180) step.command({ type: "cancel", leg: event.leg });
        }
        return Promise.resolve();
      },
      onTimer: () => Promise.resolve(),
      recover: () => Promise.resolve(),
    };
    const port = await attach(handler, "one");
    const call = newCallId();
    await port.begin(call, (step) => {
      step.command({
        type: "request",
        leg: legIdOf(call, 0),
        method: "INVITE",
        uri: `sip:bob@127.0.0.1:${phone.port}`,
        from: "<sip:a@b>",
        to: "<sip:bob@b>",
        body: SDP,
        contentType: "application/sdp",
      });
      return Promise.resolve();
    });
    const invite = await phone.next("INVITE");
    respond(invite, 180);
    respond(await phone.next("CANCEL"), 200);
    respond(invite, 487);
    await expect.poll(() => statuses).toEqual([180, 487]);
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
});
