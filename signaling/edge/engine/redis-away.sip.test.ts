import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answeringHandler } from "#signaling/edge/testing/answering-handler.ts";
import { startTestEdge, type TestEdge } from "#signaling/edge/testing/test-edge.ts";
import { openUdpPhone, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { silent } from "#common/log.ts";
import { callKey, cdrKey } from "#state/call/call.keys.ts";
import { loadCall } from "#state/call/stored-call.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseLegId, parseRefusal, refusalTag } from "./ids.ts";
import { decodeBody, encodeBody } from "./record.ts";
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

  it("does what follows a step that Redis did although its reply did not come", async () => {
    phone.send(edge.port, phone.invite());
    const toTag = (await phone.next(200)).to.tag ?? "";
    server.pause();
    phone.send(edge.port, phone.request({ method: "ACK", seq: 1, branch: "a", toTag }));
    const dropped = () => edge.edge.registry.getSingleMetricAsString("crossband_sip_dropped_total");
    await expect.poll(dropped, { timeout: 5_000 }).toContain("not-committed");
    expect(told).not.toContain("ack");
    server.resume();
    await expect.poll(() => told, { timeout: 10_000 }).toContain("recover");
  });

  it("takes the CANCEL of a call that rings: answered 200, and the INVITE refused when Redis is back", async () => {
    phone.send(
      edge.port,
      phone.request({ method: "INVITE", seq: 1, branch: "i", headers: "X-Ring: yes\r\n" }),
    );
    await phone.next(100);
    await server.kill();
    phone.send(edge.port, phone.request({ method: "CANCEL", seq: 1, branch: "i" }));
    expect((await phone.next(200)).cseq.method).toBe("CANCEL");
    expect(told).not.toContain("cancel");
    await server.revive();
    const terminated = await phone.next(487, 10_000);
    expect(terminated.cseq.method).toBe("INVITE");
    expect(told).toContain("cancel");
  });

  /** An INVITE whose commit Redis, standing still, does later: it is refused, and the refusal is acknowledged or not. */
  async function refused(
    headers: string,
    acknowledged: boolean,
  ): Promise<{ call: string; refusal: SipMessage; branch: string }> {
    // Redis knows the script from then on: what is sent to it while it stands still, it does later.
    phone.send(edge.port, phone.request({ method: "MESSAGE", seq: 1, branch: "m" }));
    await phone.next(200);
    server.pause();
    const branch = `${phone.name}i`;
    phone.send(edge.port, phone.request({ method: "INVITE", seq: 1, branch, headers }));
    const refusal = await phone.next(503, 6_000);
    const toTag = refusal.to.tag ?? "";
    if (acknowledged) phone.send(edge.port, phone.request({ method: "ACK", seq: 1, branch, toTag }));
    server.resume();
    return { call: parseRefusal(toTag)?.call ?? "", refusal, branch };
  }
  const stateOf = async (call: string) => {
    const stored = await loadCall(redis, call);
    return stored ? (isUnstable(decodeBody(stored.body).record) ? "unfinished" : "over") : "none";
  };

  it("gives up an INVITE that it refused although its step was committed all the same", async () => {
    const { call } = await refused("X-Ring: yes\r\n", true);
    await expect.poll(() => told, { timeout: 10_000 }).toContain("cancel");
    await expect.poll(() => stateOf(call), { timeout: 10_000 }).toBe("over");
  });

  it("says so again to a caller whom the refusal did not reach", async () => {
    const { call, refusal, branch } = await refused("X-Ring: yes\r\n", false);
    await expect.poll(() => told, { timeout: 10_000 }).toContain("cancel");
    phone.send(edge.port, phone.request({ method: "INVITE", seq: 1, branch, headers: "X-Ring: yes\r\n" }));
    const again = await phone.next(503);
    expect(again.to.tag).toBe(refusal.to.tag);
    phone.send(edge.port, phone.request({ method: "ACK", seq: 1, branch, toTag: again.to.tag ?? "" }));
    await expect.poll(() => stateOf(call)).toBe("over");
  });

  it("does not ring whom the refused INVITE was for", async () => {
    const callee = await openUdpPhone();
    const { call } = await refused(`X-Call: ${callee.port}\r\n`, true);
    await expect.poll(() => told, { timeout: 10_000 }).toContain("cancel");
    await expect.poll(() => stateOf(call), { timeout: 10_000 }).toBe("over");
    // Nothing has left, and nothing is there that a timer would send.
    const { record } = decodeBody((await loadCall(redis, call))?.body ?? "");
    expect([record.legs[1]?.clients, callee.inbox]).toEqual([[], []]);
    callee.close();
  });

  it("ends a call that is answered though its caller acknowledged a refusal, whichever instance gets the ACK", async () => {
    const other = await startTestEdge({ redisUrl: server.url, instance: "two", handler: answeringHandler() });
    phone.send(edge.port, phone.invite());
    const toTag = (await phone.next(200)).to.tag ?? "";
    const call = parseLegId(toTag)?.call ?? "";
    const refusal = refusalTag(call);
    phone.send(
      other.port,
      phone.request({ method: "ACK", seq: 1, branch: `${phone.name}i`, toTag: refusal }),
    );
    await expect.poll(() => stateOf(call)).toBe("over");
    await other.close();
  });

  it.each(["an older record", "none"])(
    "writes again what the Redis that took its place never got: that has %s",
    async (what) => {
      phone.send(edge.port, phone.invite());
      const toTag = (await phone.next(200)).to.tag ?? "";
      const call = parseLegId(toTag)?.call ?? "";
      const unacknowledged = await redis.get(callKey(call));
      phone.send(edge.port, phone.request({ method: "ACK", seq: 1, branch: "a", toTag }));
      await expect.poll(() => told).toContain("ack");
      const acknowledged = decodeBody((await loadCall(redis, call))?.body ?? "");
      if (what === "none") await redis.del(callKey(call));
      else await redis.set(callKey(call), unacknowledged ?? "");
      // The connections of the edge are as new as if a replica had been promoted.
      for (const type of ["normal", "pubsub"])
        await redis.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
      const body = async () => (await loadCall(redis, call))?.body;
      await expect.poll(body).toBe(encodeBody(acknowledged));
      phone.send(edge.port, phone.request({ method: "BYE", seq: 2, branch: "b", toTag }));
      expect((await phone.next(200)).cseq.method).toBe("BYE");
      await expect.poll(() => redis.xlen(cdrKey(call))).toBe(1);
    },
  );

  it("goes on answering OPTIONS", async () => {
    await server.stop();
    phone.send(edge.port, phone.request({ method: "OPTIONS", seq: 1, branch: "o" }));
    await phone.next(200);
  });
});
