import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answeringHandler } from "#signaling/edge/testing/answering-handler.ts";
import { startTestEdge, type TestEdge } from "#signaling/edge/testing/test-edge.ts";
import { openUdpPhone, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";

let server: RedisServer;
let edge: TestEdge;
let phone: UdpPhone;
const told: string[] = [];

beforeEach(async () => {
  told.length = 0;
  server = await startRedis();
  edge = await startTestEdge({
    redisUrl: server.url,
    instance: "one",
    handler: answeringHandler(({ type }) => told.push(type)),
  });
  phone = await openUdpPhone();
});
afterEach(async () => {
  phone.close();
  await edge.close();
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

  it("goes on answering OPTIONS", async () => {
    await server.stop();
    phone.send(edge.port, phone.request({ method: "OPTIONS", seq: 1, branch: "o" }));
    await phone.next(200);
  });
});
