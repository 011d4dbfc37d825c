import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answeringHandler } from "#signaling/edge/testing/answering-handler.ts";
import { startTestEdge, type TestEdge } from "#signaling/edge/testing/test-edge.ts";
import { openUdpPhone, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { silent } from "#common/log.ts";
import { cdrKey } from "#state/call/call.keys.ts";
import { loadCall } from "#state/call/stored-call.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { decodeBody } from "./record.ts";
import { isUnstable } from "./schedule.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";

let server: RedisServer;
let edge: TestEdge;
let phone: UdpPhone;
let redis: RedisConnection;
const told: string[] = [];
/** When the requests came that were told late. */
const late: number[] = [];

beforeEach(async () => {
  told.length = late.length = 0;
  server = await startRedis({ appendonly: "yes" });
  redis = connect(server.url, { log: silent });
  edge = await startTestEdge({
    redisUrl: server.url,
    instance: "one",
    handler: answeringHandler((event) => {
      told.push(event.type);
      if (event.type === "request" && event.atMs !== undefined) late.push(event.atMs);
    }),
  });
  phone = await openUdpPhone();
});
afterEach(async () => {
  phone.close();
  await edge.close();
  redis.disconnect();
  await server.stop();
});

describe("when Redis is away", () => {
  it("refuses a new call with 503 and says when to try again", async () => {
    await server.stop();
    phone.send(edge.port, phone.invite());
    const refusal = await phone.next(503);
    expect(refusal.header("retry-after")).toBe("5");
  });

  it("answers the BYE of a call in progress with 200", async () => {
    phone.send(edge.port, phone.invite());
    const toTag = (await phone.next(200)).to.tag ?? "";
    phone.send(edge.port, phone.request({ method: "ACK", seq: 1, branch: "a", toTag }));
    await expect.poll(() => told).toContain("ack");
    await server.stop();
    phone.send(edge.port, phone.request({ method: "BYE", seq: 2, branch: "b", toTag }));
    expect((await phone.next(200)).cseq.method).toBe("BYE");
  });

  it("commits that BYE when Redis is back, with one detail record and the time at which it came", async () => {
    phone.send(edge.port, phone.invite());
    const toTag = (await phone.next(200)).to.tag ?? "";
    phone.send(edge.port, phone.request({ method: "ACK", seq: 1, branch: "a", toTag }));
    await expect.poll(() => told).toContain("ack");
    await server.kill();
    const byeAtMs = Date.now();
    phone.send(edge.port, phone.request({ method: "BYE", seq: 2, branch: "b", toTag }));
    await phone.next(200);
    expect(late).toEqual([]);
    await server.revive();
    await expect.poll(() => late, { timeout: 10_000 }).toHaveLength(1);
    expect(Math.abs((late[0] ?? 0) - byeAtMs)).toBeLessThan(200);
    await expect(redis.xlen(cdrKey(toTag.slice(0, -2)))).resolves.toBe(1);
  });

  it("gives up an INVITE that it refused although its step was committed all the same", async () => {
    // Redis knows the script from then on: what is sent to it while it stands still, it does later.
    phone.send(edge.port, phone.request({ method: "MESSAGE", seq: 1, branch: "m" }));
    await phone.next(200);
    server.pause();
    phone.send(
      edge.port,
      phone.request({ method: "INVITE", seq: 1, branch: "i", headers: "X-Ring: yes\r\n" }),
    );
    const refusal = await phone.next(503, 6_000);
    server.resume();
    await expect.poll(() => told, { timeout: 10_000 }).toContain("cancel");
    const call = (refusal.to.tag ?? "").slice(0, -2);
    const stored = await loadCall(redis, call);
    expect(stored && isUnstable(decodeBody(stored.body).record)).toBe(false);
  });

  it("goes on answering OPTIONS", async () => {
    await server.stop();
    phone.send(edge.port, phone.request({ method: "OPTIONS", seq: 1, branch: "o" }));
    await phone.next(200);
  });
});
