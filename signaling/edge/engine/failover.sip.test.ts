import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import { a, naptr, srv, startDnsServer } from "#signaling/edge/testing/dns-server.ts";
import { startTestEdge, type TestEdge } from "#signaling/edge/testing/test-edge.ts";
import { answerOf, openUdpPhone, SDP, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { legIdOf, newCallId } from "./ids.ts";

let redis: RedisServer;
let dns: Awaited<ReturnType<typeof startDnsServer>>;
let edge: TestEdge;
let first: UdpPhone;
let second: UdpPhone;
const told: Extract<SipEvent, { type: "response" }>[] = [];

/** A TCP port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

beforeAll(async () => {
  [redis, first, second] = [await startRedis(), await openUdpPhone(), await openUdpPhone()];
  dns = await startDnsServer([
    naptr("closed.test", 10, "SIP+D2T", "_sip._tcp.closed.test"),
    naptr("closed.test", 20, "SIP+D2U", "_sip._udp.closed.test"),
    srv("_sip._tcp.closed.test", 10, 0, await closedPort(), "host.test"),
    srv("_sip._udp.closed.test", 10, 0, second.port, "host.test"),
    srv("_sip._udp.busy.test", 10, 0, first.port, "host.test"),
    srv("_sip._udp.busy.test", 20, 0, second.port, "host.test"),
    a("host.test", "127.0.0.1"),
  ]);
  edge = await startTestEdge({
    redisUrl: redis.url,
    instance: "one",
    nameServers: [dns.server],
    handler: {
      onEvent(event, step) {
        if (event.type !== "response") return Promise.resolve();
        step.after(() => told.push(event));
        if (event.status >= 200 && event.status < 300) step.command({ type: "ack", leg: event.leg });
        return Promise.resolve();
      },
      onTimer: () => Promise.resolve(),
      recover: () => Promise.resolve(),
    },
  });
});
afterAll(async () => {
  await edge.close();
  dns.close();
  for (const phone of [first, second]) phone.close();
  await redis.stop();
});

/** Calls somebody at a name; the id of the leg. */
async function invite(host: string): Promise<string> {
  const call = newCallId();
  const leg = legIdOf(call, 1);
  await edge.edge.port.begin(call, (step) => {
    step.command({
      type: "request", leg, method: "INVITE", uri: `sip:bob@${host}`, from: "<sip:alice@crossband.local>", to: "<sip:bob@crossband.local>", body: SDP, contentType: "application/sdp",
    }); // prettier-ignore
    return Promise.resolve();
  });
  return leg;
}

describe("a call to a name with two targets (RFC 3263 §4.3)", () => {
  it.each([
    ["closed.test", "takes no connection", false],
    ["busy.test", "says 503", true],
  ])(
    "%s reaches the second when the first one %s, and call control is told of that alone",
    async (host, _why, refuses) => {
      const leg = await invite(host);
      if (refuses) {
        const busy = await first.next("INVITE");
        first.send(edge.port, answerOf(first, busy, 503));
        await first.next("ACK");
      }
      const got = await second.next("INVITE");
      expect([got.uri, got.body, got.cseq.seq]).toEqual([`sip:bob@${host}`, SDP, 2]);
      second.send(edge.port, answerOf(second, got));
      expect((await second.next("ACK")).cseq.seq).toBe(2);
      await expect
        .poll(() => told.filter((event) => event.leg === leg).map(({ txn, status }) => [txn, status]))
        .toEqual([[`${leg}-c1`, 200]]);
    },
  );
});
