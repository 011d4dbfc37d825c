import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cdrKey } from "#state/call/call.keys.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import { answeringHandler } from "#signaling/edge/testing/answering-handler.ts";
import { type TestEdge } from "#signaling/edge/testing/test-edge.ts";
import { useEdgePair } from "#signaling/edge/testing/use-edge-pair.ts";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";

const told: { by: string; type: SipEvent["type"] | "recover" }[] = [];
const pair = useEdgePair((by) => answeringHandler(({ type }) => told.push({ by, type })));
const { one, two, phone } = pair;
let redis: Redis;

beforeAll(() => {
  redis = new Redis(pair.redis.url);
});
afterAll(() => {
  redis.disconnect();
});
beforeEach(() => {
  told.length = 0;
});

/** A call answered by `edge`, with its ACK sent to `ackBy`. */
async function call(edge: TestEdge, ackBy = edge) {
  phone.send(edge.port, phone.invite());
  const ok = await phone.next(200);
  const toTag = ok.to.tag ?? "";
  phone.send(ackBy.port, phone.request({ method: "ACK", seq: 1, branch: `${phone.name}a`, toTag }));
  await expect.poll(() => told.map(({ type }) => type)).toContain("ack");
  return { ok, toTag, callId: toTag.slice(0, toTag.indexOf(".")) };
}

const bye = (toTag: string, options: { fromTag?: string; callId?: string; seq?: number } = {}) =>
  phone.request({ method: "BYE", seq: 2, branch: `${phone.name}b`, toTag, ...options });

describe("a call that any instance serves", () => {
  it("is answered and ended by one instance, with one detail record", async () => {
    const { ok, toTag, callId } = await call(one);
    expect(ok.contacts[0]?.uriText).toBe("sip:127.0.0.1:5999");
    expect(ok.body).toBe(SDP);
    phone.send(one.port, bye(toTag));
    expect((await phone.next(200)).cseq).toEqual({ seq: 2, method: "BYE" });
    await expect(redis.xlen(cdrKey(callId))).resolves.toBeGreaterThan(0);
  });

  it("costs at most 8 round trips to Redis", async () => {
    const trips = async () => {
      const metric = await one.edge.registry.getSingleMetric("crossband_sip_redis_round_trips_total")?.get();
      return (
        metric?.values.reduce((sum, { value, labels }) => sum + (labels["kind"] === "due" ? 0 : value), 0) ??
        0
      );
    };
    const before = await trips();
    const { toTag } = await call(one);
    phone.send(one.port, bye(toTag));
    await phone.next(200);
    expect((await trips()) - before).toBeLessThanOrEqual(8);
  });

  it("has its ACK and BYE taken by another instance than its INVITE", async () => {
    const { toTag } = await call(one, two);
    phone.send(two.port, bye(toTag));
    await phone.next(200);
    expect(told).toEqual([
      { by: "one", type: "request" },
      { by: "two", type: "ack" },
      { by: "two", type: "request" },
    ]);
  });

  it("stops sending its 200 when the ACK met another instance", async () => {
    await call(one, two);
    await expect(phone.next(200, 1_200)).rejects.toThrow("no 200");
  });

  it("answers a retransmitted INVITE with the same bytes wherever it arrives, and asks call control once", async () => {
    phone.send(one.port, phone.invite());
    const first = await phone.next(200);
    phone.send(two.port, phone.invite());
    const second = await phone.next(200);
    expect(second.text).toBe(first.text);
    expect(told.filter(({ by }) => by === "one")).toHaveLength(1);
  });

  it("answers a retransmitted BYE with the same bytes wherever it arrives, and writes no second detail record", async () => {
    const { toTag, callId } = await call(one);
    phone.send(one.port, bye(toTag));
    const first = await phone.next(200);
    const records = await redis.xlen(cdrKey(callId));
    phone.send(two.port, bye(toTag));
    expect((await phone.next(200)).text).toBe(first.text);
    await expect(redis.xlen(cdrKey(callId))).resolves.toBe(records);
  });

  it("sends its 200 again until the ACK comes", async () => {
    phone.send(one.port, phone.invite());
    const first = await phone.next(200);
    expect((await phone.next(200, 1_000)).text).toBe(first.text);
    phone.send(two.port, phone.request({ method: "ACK", seq: 1, branch: "x", toTag: first.to.tag ?? "" }));
  });

  it("passes a re-INVITE on and answers it in the same dialog", async () => {
    const { toTag } = await call(one);
    phone.send(two.port, phone.request({ method: "INVITE", seq: 2, branch: "re", toTag, body: SDP }));
    const ok = await phone.next(200);
    expect(ok.cseq).toEqual({ seq: 2, method: "INVITE" });
    expect(ok.to.tag).toBe(toTag);
    phone.send(one.port, phone.request({ method: "ACK", seq: 2, branch: "rea", toTag }));
    await expect.poll(() => told.filter(({ type }) => type === "ack")).toHaveLength(2);
  });
});

describe("what goes wrong in call control", () => {
  it("is answered 500 and ends there", async () => {
    phone.send(
      one.port,
      phone.request({ method: "MESSAGE", seq: 1, branch: "fail", headers: "X-Fail: yes\r\n" }),
    );
    await phone.next(500);
    phone.send(one.port, phone.request({ method: "OPTIONS", seq: 2, branch: "after" }));
    await phone.next(200);
  });
});

describe("a request that came by two ways (RFC 3261 §8.2.2.2)", () => {
  /** The INVITE as a proxy that forked it brings it: with a Via of the phone's below its own. */
  const forked = (branch: string) =>
    phone
      .invite(branch)
      .replace("Max-Forwards", "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKforks\r\nMax-Forwards");

  it("is answered 482 the second time, while the first is unanswered", async () => {
    phone.send(one.port, forked("way1").replace("Max-Forwards", "X-Ring: yes\r\nMax-Forwards"));
    await phone.next(100);
    phone.send(one.port, forked("way2"));
    await phone.next(482);
    // Whichever instance it meets: the record is one.
    phone.send(two.port, forked("way3"));
    await phone.next(482);
    phone.send(two.port, phone.request({ method: "CANCEL", seq: 1, branch: "way1" }));
    expect((await phone.next(200)).cseq.method).toBe("CANCEL");
    await phone.next(487);
    expect(told).toContainEqual({ by: "two", type: "cancel" });
  });
});

describe("a request that is tried anew at another instance (RFC 3263 §4.3)", () => {
  it("is answered there, rings once, and is cancelled by its new branch", async () => {
    phone.send(one.port, phone.invite("try1").replace("Max-Forwards", "X-Ring: yes\r\nMax-Forwards"));
    await phone.next(100);
    phone.send(two.port, phone.invite("try2"));
    expect((await phone.next(100)).topVia.branch).toBe("z9hG4bKtry2");
    expect(told.filter(({ type }) => type === "request")).toHaveLength(1);
    phone.send(one.port, phone.request({ method: "CANCEL", seq: 1, branch: "try2" }));
    expect((await phone.next(200)).cseq.method).toBe("CANCEL");
    expect((await phone.next(487)).topVia.branch).toBe("z9hG4bKtry2");
  });

  it("gets the answer to a BYE that it had", async () => {
    const { toTag } = await call(one);
    phone.send(one.port, phone.request({ method: "BYE", seq: 2, branch: "bye1", toTag }));
    await phone.next(200);
    phone.send(two.port, phone.request({ method: "BYE", seq: 2, branch: "bye2", toTag }));
    expect((await phone.next(200)).topVia.branch).toBe("z9hG4bKbye2");
    expect(told.filter(({ type }) => type === "request")).toHaveLength(2);
  });
});

describe("a client that does not count on with its credentials (RFC 3261 §22.2)", () => {
  it("is let in all the same after a challenge", async () => {
    const refused = phone.invite("bare").replace("Max-Forwards", "X-Refuse: 407\r\nMax-Forwards");
    phone.send(one.port, refused);
    const challenge = await phone.next(407);
    phone.send(
      one.port,
      phone.request({ method: "ACK", seq: 1, branch: "bare", toTag: challenge.to.tag ?? "" }),
    );
    phone.send(two.port, phone.invite("credentials"));
    await phone.next(200);
  });
});

describe("requests that name no dialog of ours", () => {
  it("answers 481 to a tag that was never ours", async () => {
    phone.send(one.port, bye("unknown"));
    await phone.next(481);
  });

  it("answers 481 to a well-formed tag of no call", async () => {
    phone.send(one.port, bye(`00${"a".repeat(24)}.0`));
    await phone.next(481);
  });

  it.each([
    ["another From-tag", { fromTag: "stranger" }],
    ["another Call-ID", { callId: "stranger" }],
  ])("answers 481 to the right tag with %s", async (_what, options) => {
    const { toTag } = await call(one);
    phone.send(one.port, bye(toTag, options));
    await phone.next(481);
  });

  it("answers 500 to a request whose CSeq goes back (RFC 3261 §12.2.2)", async () => {
    const { toTag } = await call(one);
    phone.send(one.port, bye(toTag, { seq: 1 }));
    await phone.next(500);
  });

  it("answers 481 to a BYE after the BYE", async () => {
    const { toTag } = await call(one);
    phone.send(one.port, bye(toTag));
    await phone.next(200);
    phone.send(one.port, phone.request({ method: "BYE", seq: 3, branch: "late", toTag }));
    await phone.next(481);
  });

  it("answers 481 to a BYE without a tag", async () => {
    phone.send(one.port, phone.request({ method: "BYE", seq: 2, branch: "notag" }));
    await phone.next(481);
  });

  it("drops an ACK of nothing", async () => {
    phone.send(
      one.port,
      phone.request({ method: "ACK", seq: 1, branch: "z", toTag: `00${"b".repeat(24)}.0` }),
    );
    await expect(phone.next(() => true, 300)).rejects.toThrow();
  });
});

describe("requests without a record", () => {
  it("answers OPTIONS at once and leaves nothing in Redis", async () => {
    const before = await redis.dbsize();
    phone.send(one.port, phone.request({ method: "OPTIONS", seq: 1, branch: "o" }));
    expect((await phone.next(200)).header("allow")).toContain("INVITE");
    await expect(redis.dbsize()).resolves.toBe(before);
  });

  it.each([
    ["a method that nobody knows", "FROBNICATE", "", 405],
    ["an extension that is required and unknown", "INVITE", "Require: precondition\r\n", 420],
  ])("refuses %s", async (_what, method, headers, status) => {
    phone.send(one.port, phone.request({ method, seq: 1, branch: `m${status}`, headers }));
    await phone.next(status);
  });

  it("refuses a request that has made too many hops", async () => {
    phone.send(one.port, phone.invite().replace("Max-Forwards: 70", "Max-Forwards: 0"));
    await phone.next(483);
  });
});
