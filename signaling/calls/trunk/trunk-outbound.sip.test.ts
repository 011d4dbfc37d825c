import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { listDuties } from "#state/trunk/duties.ts";
import { notePeer, peerStatuses } from "#state/trunk/peer-status.ts";
import { loadOfTrunk } from "#state/trunk/slots.ts";
import { CARRIER_SDP, challenging, openCarrier, type Carrier } from "#signaling/calls/testing/carrier.ts";
import { eventually } from "#signaling/calls/testing/eventually.ts";
import { openSipJsClient } from "#signaling/calls/testing/sip-js-client.ts";
import { startTestCalls, TEST_PROVISION, type TestCalls } from "#signaling/calls/testing/start-calls.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { CallRefused } from "#test/peers/sip-phone/outgoing-call.ts";

let calls: TestCalls;
let alice: Phone;
let carol: Phone;
let one: Carrier;
let two: Carrier;
let other: Carrier;
let made = 0;
const NUMBER = "+15557770001";
const account = { username: "acct", password: "secret" };
const accept = () => ({ status: 200, body: CARRIER_SDP });

beforeAll(async () => {
  calls = await startTestCalls();
  alice = await calls.phone("alice");
  carol = await calls.phone("carol");
  await alice.register();
  await carol.register();
});
afterAll(() => calls.close());
beforeEach(async () => {
  one = await openCarrier("127.0.0.51");
  two = await openCarrier("127.0.0.52");
  other = await openCarrier("127.0.0.53");
  for (const carrier of [one, two, other]) carrier.on("INVITE", accept);
  await apply();
});
afterEach(async () => {
  await eventually(async () => {
    expect((await loadOfTrunk(calls.redis, "first", Date.now())).calls).toBe(0);
    expect((await loadOfTrunk(calls.redis, "second", Date.now())).calls).toBe(0);
  });
  for (const carrier of [one, two, other]) carrier.close();
});

/** Two trunks, the first with two peers; resolves when they are in force. */
async function apply(first = "", second = ""): Promise<void> {
  const mark = `127.0.0.54:${20_000 + ++made}`;
  const common = "register: false, username: acct, password: secret, allow: [fire], optionsSeconds: 3600";
  const trunks = [
    `{ id: first, peers: ["${one.peer}", "${two.peer}"], ${common}, outbound: [{ prefix: "+1" }], callerId: "+15550000000", firstResponseMs: 500${first} }`,
    `{ id: second, peers: ["${other.peer}", "${mark}"], ${common}, firstResponseMs: 500, outbound: [{ prefix: "+49" }, { prefix: "+1", order: 200 }]${second} }`,
  ];
  await applyProvision(
    calls.redis,
    parseProvision(
      TEST_PROVISION.replace(/trunks:.*/, `trunks: [${trunks.join(", ")}]`).replace(
        "priority: 7 }",
        'priority: 7, number: "+15551112222" }',
      ),
    ),
  );
  await eventually(async () => {
    expect([...(await listDuties(calls.redis)).values()].map(({ peer }) => peer)).toContain(mark);
  });
  for (const [trunk, peers] of [
    ["first", [one, two]],
    ["second", [other]],
  ] as const)
    for (const { peer } of peers) await notePeer(calls.redis, trunk, peer, "avoid", undefined);
}

const refusalOf = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CallRefused)) throw new Error(`not refused: ${String(error)}`);
  return error;
};
const dial = (target = `sip:${NUMBER}@crossband.test`) => alice.call(target);

describe("calls out over a trunk", () => {
  it("show the user's number, assert it, and pass descriptions between the telephone and the carrier", async () => {
    const call = await dial();
    const invite = await one.next("INVITE");
    expect(invite.uri).toBe(`sip:${NUMBER}@${one.peer};user=phone`);
    expect(invite.header("from")).toContain(`"Alice Rivera" <sip:+15551112222@${one.host}>`);
    expect(invite.header("p-asserted-identity")).toBe(`"Alice Rivera" <sip:+15551112222@${one.host}>`);
    expect(invite.header("privacy")).toBeUndefined();
    expect(invite.body).toContain("m=audio");
    await one.next("ACK");
    expect((await loadOfTrunk(calls.redis, "first", Date.now())).calls).toBe(1);
    await call.hangup();
    await one.next("BYE");
    expect((await calls.details(1)).at(-1)).toMatchObject({ from: "alice", to: NUMBER, trunk: "first" });
  });

  it.each(["tel:+1-555-777-0001", "sip:15557770001@crossband.test;user=phone"])(
    "go to %s",
    async (target) => {
      const call = await dial(target);
      expect((await one.next("INVITE")).requestUri?.user).toBe(NUMBER);
      await call.hangup();
    },
  );

  it("hide the caller who asks for it from the callee, not from the carrier", async () => {
    const call = await alice.call(`sip:${NUMBER}@crossband.test`, { headers: [["Privacy", "id"]] });
    const invite = await one.next("INVITE");
    expect(invite.header("from")).toContain("<sip:anonymous@anonymous.invalid>");
    expect(invite.header("p-asserted-identity")).toContain("+15551112222");
    expect(invite.header("privacy")).toBe("id");
    await call.hangup();
  });

  it.each([401, 407] as const)(
    "answer the carrier's %i in the same dialog with the next CSeq",
    async (status) => {
      one.on(
        "INVITE",
        challenging(account, accept, {
          proxy: status === 407,
          algorithm: status === 407 ? "SHA-256" : "MD5",
        }),
      );
      const call = await dial();
      const [first, second] = [await one.next("INVITE"), await one.next("INVITE")];
      expect([second.callId, second.from.tag, second.cseq.seq]).toEqual([
        first.callId,
        first.from.tag,
        first.cseq.seq + 1,
      ]);
      expect(second.body).toBe(first.body);
      await call.hangup();
    },
  );

  it("are refused with 403 and a reason to those who may not, with 404 where no trunk leads", async () => {
    const forbidden = await refusalOf(carol.call(`sip:${NUMBER}@crossband.test`));
    expect(forbidden.status).toBe(403);
    expect(JSON.stringify(forbidden.response.headers)).toContain("not allowed to call outside numbers");
    expect((await refusalOf(dial("sip:+33140000000@crossband.test"))).status).toBe(404);
    expect(one.got.filter(({ method }) => method === "INVITE")).toEqual([]);
  });

  it("take the trunk of the longest prefix", async () => {
    const call = await dial("sip:+4930123456@crossband.test");
    await other.next("INVITE");
    await call.hangup();
  });

  it("go through the media tier from a browser", async () => {
    const listeners = calls.roles[0]?.card().listeners;
    const page = await openSipJsClient(listeners?.["ws"] ?? "", "alice", "crossband.test", "alice-secret");
    await page.register();
    const session = await page.call(`sip:${NUMBER}@crossband.test`);
    expect((await one.next("INVITE")).body).toContain("RTP/AVP");
    expect([...calls.media.legs.values()].map(({ group }) => group.id)).toHaveLength(2);
    await session.bye();
    await one.next("BYE");
    await page.close();
  });
});

describe("failover of a call out", () => {
  it("tries the next peer after a 5xx, and the next trunk after the last peer", async () => {
    one.on("INVITE", () => ({ status: 503, headers: [["Retry-After", "60"]] }));
    two.on("INVITE", () => ({ status: 500 }));
    const call = await dial();
    for (const carrier of [one, two, other]) await carrier.next("INVITE");
    expect((await loadOfTrunk(calls.redis, "second", Date.now())).calls).toBe(1);
    await eventually(async () => {
      expect((await loadOfTrunk(calls.redis, "first", Date.now())).calls).toBe(0);
      const avoided = (await peerStatuses(calls.redis, "first")).get(one.peer)?.avoidUntilMs ?? 0;
      expect(avoided - Date.now()).toBeGreaterThan(50_000);
    });
    await call.hangup();
  });

  it("tries the next peer when one is silent, and takes the silent one down should it answer late", async () => {
    one.on("INVITE", () => undefined);
    const call = await dial();
    const silent = await one.next("INVITE");
    await two.next("INVITE");
    one.answer(silent, accept());
    await one.next("ACK");
    await one.next("BYE");
    await call.hangup();
  });

  it("leaves out peers that are down or asked to be left alone", async () => {
    await notePeer(calls.redis, "first", one.peer, "avoid", Date.now() + 60_000);
    await notePeer(calls.redis, "first", two.peer, "health", { state: "down", sinceMs: 1 });
    const call = await dial();
    await other.next("INVITE");
    await call.hangup();
    await notePeer(calls.redis, "first", two.peer, "health", undefined);
  });

  it("does not try elsewhere when the callee is busy", async () => {
    one.on("INVITE", () => ({ status: 486 }));
    expect((await refusalOf(dial())).status).toBe(486);
    expect([...two.got, ...other.got].filter(({ method }) => method === "INVITE")).toEqual([]);
  });

  it("does after answers that the trunk names", async () => {
    await apply(", failoverOn: [603, 5xx]");
    one.on("INVITE", () => ({ status: 603 }));
    const call = await dial();
    await two.next("INVITE");
    await call.hangup();
  });

  it("says why when nobody takes it", async () => {
    for (const carrier of [one, two, other]) carrier.on("INVITE", () => ({ status: 503 }));
    const refused = await refusalOf(dial());
    expect(refused.status).toBe(480);
    expect(JSON.stringify(refused.response.headers)).toContain("no trunk took the call");
  });

  it("tries the next trunk when one is full, and answers 503 when all are", async () => {
    await apply(", maxCalls: 1", ", maxCalls: 1");
    const first = await dial();
    const second = await dial();
    await other.next("INVITE");
    const refused = await refusalOf(dial());
    expect(refused.status).toBe(503);
    expect(JSON.stringify(refused.response.headers)).toContain("every trunk is full");
    await first.hangup();
    await second.hangup();
  });

  it("ends everywhere when the caller gives up", async () => {
    one.on("INVITE", () => ({ status: 503 }));
    two.on("INVITE", () => ({ status: 180 }));
    const outgoing = await alice.invite(`sip:${NUMBER}@crossband.test`);
    await outgoing.ringing();
    await outgoing.cancel();
    await two.next("CANCEL");
  });
});
