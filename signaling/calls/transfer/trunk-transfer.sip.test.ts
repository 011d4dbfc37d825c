import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { notePeer } from "#state/trunk/peer-status.ts";
import { loadOfTrunk } from "#state/trunk/slots.ts";
import { CARRIER_SDP, oneTimeNonces, openCarrier, type Answer, type Carrier } from "#signaling/calls/testing/carrier.ts"; // prettier-ignore
import { eventually } from "#signaling/calls/testing/eventually.ts";
import { startTestCalls, TEST_PROVISION, type TestCalls } from "#signaling/calls/testing/start-calls.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Call } from "#test/peers/sip-phone/call.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import type { SipResponse } from "#test/peers/sip-phone/sip-text.ts";

const DID = "+15551240001";
const CALLER = "+15557654321";
const NUMBER = "+15557770001";
const OTHER = "+15557770002";
const account = { username: "acct", password: "secret" };
const accept: Answer = () => ({ status: 200, body: CARRIER_SDP });

let calls: TestCalls;
let one: Carrier;
let two: Carrier;
let made = 0;
const open: Phone[] = [];

beforeAll(async () => {
  calls = await startTestCalls({ ringSeconds: 5 });
  one = await openCarrier("127.0.0.91");
  two = await openCarrier("127.0.0.92");
  await apply();
});
afterAll(async () => {
  one.close();
  two.close();
  await calls.close();
});
afterEach(async () => {
  for (const phone of open.splice(0)) {
    for (const call of phone.calls) await call.hangup().catch(() => undefined);
    await phone.unregister().catch(() => 0);
    phone.close();
  }
  await eventually(async () => {
    expect((await loadOfTrunk(calls.redis, "out", Date.now())).calls).toBe(0);
    expect(calls.media.legs.size).toBe(0);
  }, 10_000);
  for (const carrier of [one, two]) {
    for (const method of ["INVITE", "BYE"]) carrier.on(method, method === "INVITE" ? accept : () => ({ status: 200 })); // prettier-ignore
    carrier.got.length = 0;
  }
  for (const { peer } of [one, two]) await notePeer(calls.redis, "out", peer, "avoid", undefined);
});

/** One trunk with two peers; resolves when it is in force. */
async function apply(more = ""): Promise<void> {
  for (const carrier of [one, two]) carrier.on("INVITE", accept);
  const trunk = `{ id: out, peers: ["${one.peer}", "${two.peer}", "127.0.0.93:${20_000 + ++made}"], register: false, username: acct, password: secret, allow: [fire], optionsSeconds: 3600,
    callerId: "+15550000000", firstResponseMs: 500, outbound: [{ prefix: "+1555777" }], inbound: [{ did: "${DID}", to: alice }, { did: "+15551230001", to: fire-1 }]${more} }`;
  await applyProvision(
    calls.redis,
    parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [${trunk}]`)),
  );
  const mark = `127.0.0.93:${20_000 + made}`;
  await eventually(async () => {
    expect((await calls.roles[0]?.metrics()) ?? "").toContain(`peer="${mark}"`);
  });
}
async function registered(user: "alice" | "bob" | "carol", device?: string): Promise<Phone> {
  const phone = await calls.phone(user, device === undefined ? {} : { device });
  open.push(phone);
  await phone.register();
  return phone;
}
async function talk(from: Phone, to: Phone): Promise<[Call, Call]> {
  const invite = await from.invite(to.options.user);
  const theirs = (await to.incoming()).answer();
  const ours = await invite.answered;
  await theirs.confirmed();
  return [ours, theirs];
}
/** A call to a number outside, and its INVITE at the carrier. */
async function dial(phone: Phone, number = NUMBER): Promise<[Call, SipMessage]> {
  const call = await phone.call(`sip:${number}@crossband.test`);
  const invite = await one.next("INVITE");
  await one.next("ACK");
  return [call, invite];
}
/** A call that the carrier makes to a phone, answered. */
async function comesIn(to: Phone, from = `<sip:${CALLER}@carrier.example>`) {
  const parts = {
    uri: `sip:${DID}@${calls.server}`, from: `${from};tag=in${++made}`, to: `<sip:${DID}@carrier.example>`, callId: `in-${made}@carrier`,
  }; // prettier-ignore
  const ringing = to.incoming();
  const answered = one.request(calls.server, { ...parts, method: "INVITE", seq: 1, body: CARRIER_SDP });
  const call = (await ringing).answer();
  const answer = await answered;
  const dialog = { ...parts, uri: answer.contacts[0]?.uriText ?? "", to: answer.header("to") ?? "" };
  one.ack(calls.server, { ...dialog, method: "ACK", seq: 1 });
  await call.confirmed();
  const say = (method: string, headers: readonly (readonly [string, string])[] = []) =>
    one.request(calls.server, { ...dialog, method, headers, seq: 10 });
  return { call, say };
}
const refer = (phone: Phone, call: Call, to: string): Promise<SipResponse> =>
  phone.endpoint.request(
    call.dialog.request("REFER", [["Contact", phone.contact], ["Refer-To", to.startsWith("<") ? to : `<${phone.uriFor(to)}>`]]),
    { to: phone.server },
  ); // prettier-ignore
const reasonOf = ({ headers }: SipResponse) => headers.find(([name]) => name === "Reason")?.[1];
const replacing = ({ dialog }: Call, uri: string) =>
  `<${uri}?Replaces=${encodeURIComponent(`${dialog.callId};to-tag=${dialog.remoteTag ?? ""};from-tag=${dialog.localTag}`)}>`;
/** Groups of the media tier that somebody is in, and who. */
const rooms = (): string[][] => {
  const byGroup = Map.groupBy([...calls.media.legs.values()], ({ group }) => group.id);
  return [...byGroup.values()].map((legs) => legs.map(({ member }) => member.id).sort());
};
const carried = async () => (await loadOfTrunk(calls.redis, "out", Date.now())).calls;

describe("blind transfer of a call that came over a trunk", () => {
  it("connects the caller outside with a user: a re-INVITE to the carrier, one call of its count, two detail records", async () => {
    const [alice, carol] = [await registered("alice"), await registered("carol")];
    const { call, say } = await comesIn(alice);
    expect((await refer(alice, call, "carol")).status).toBe(202);
    const incoming = await carol.incoming();
    expect(incoming.from).toContain(`sip:${CALLER}@crossband.test`);
    const carols = incoming.answer();
    expect(await call.ended).toMatchObject({ by: "them" });
    expect(call.notified.at(-1)).toBe("SIP/2.0 200 OK");
    expect((await one.next("INVITE")).to.tag).toMatch(/^in/);
    await one.next("ACK");
    await expect.poll(rooms).toEqual([[CALLER, "carol"].sort()]);
    expect(await carried()).toBe(1);
    const before = (await calls.details(0)).length;
    expect((await say("BYE")).status).toBe(200);
    await carols.ended;
    const details = (await calls.details(before + 2)).slice(-2).sort((a, b) => (a.to < b.to ? -1 : 1));
    expect(details).toMatchObject([
      { from: CALLER, to: "alice", trunk: "out" },
      { from: CALLER, to: "carol" },
    ]);
  });

  it("puts the caller into a group that a number leads to, and into no other", async () => {
    const alice = await registered("alice");
    const { call, say } = await comesIn(alice);
    const refused = await refer(alice, call, "command");
    expect([refused.status, reasonOf(refused)]).toEqual([403, 'SIP;cause=403;text="not a member of the talk group"']); // prettier-ignore
    expect((await refer(alice, call, "fire-1")).status).toBe(202);
    await call.ended;
    await expect.poll(rooms).toEqual([[CALLER]]);
    expect([...calls.media.legs.values()][0]?.group.id).toBe("fire-1");
    await say("BYE");
  });

  it("leads out again over a trunk when its user may call there: both legs count", async () => {
    const alice = await registered("alice");
    const { call, say } = await comesIn(alice);
    expect((await refer(alice, call, NUMBER)).status).toBe(202);
    const invite = await one.next("INVITE");
    expect(invite.uri).toContain(NUMBER);
    await call.ended;
    await expect.poll(rooms).toEqual([[CALLER, NUMBER].sort()]);
    expect(await carried()).toBe(2);
    await say("BYE");
    await one.next("BYE");
  });

  it("needs no re-INVITE to the carrier when its trunk is anchored", async () => {
    await apply(", media: anchored");
    const [alice, carol] = [await registered("alice"), await registered("carol")];
    const { call, say } = await comesIn(alice);
    await refer(alice, call, "carol");
    const carols = (await carol.incoming()).answer();
    await call.ended;
    await expect.poll(rooms).toEqual([[CALLER, "carol"].sort()]);
    expect(one.got.filter(({ method }) => method === "INVITE")).toEqual([]);
    await say("BYE");
    await carols.ended;
    await apply();
  });
});

describe("blind transfer of a call that went out over a trunk", () => {
  it("connects the party outside with a user", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const [call] = await dial(alice);
    await refer(alice, call, "bob");
    const incoming = await bob.incoming();
    expect(incoming.from).toContain(NUMBER);
    const bobs = incoming.answer();
    await call.ended;
    await one.next("INVITE");
    await expect.poll(rooms).toEqual([[NUMBER, "bob"].sort()]);
    await bobs.hangup();
    await one.next("BYE");
  });
});

describe("blind transfer to a number outside", () => {
  it("calls in the referrer's name, tells each step, and hides who referred from the carrier", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const [ours, bobs] = await talk(alice, bob);
    one.on("INVITE", () => ({ status: 180 }));
    expect((await refer(alice, ours, NUMBER)).status).toBe(202);
    const invite = await one.next("INVITE");
    expect(invite.header("p-asserted-identity")).toContain("Alice Rivera");
    expect(invite.header("referred-by")).toBeUndefined();
    expect(invite.body).toContain("m=audio");
    await expect.poll(() => ours.notified.at(-1)).toBe("SIP/2.0 180 Ringing");
    expect(await carried()).toBe(1);
    one.answer(invite, { status: 200, body: CARRIER_SDP });
    await ours.ended;
    expect(ours.notified.at(-1)).toBe("SIP/2.0 200 OK");
    await expect.poll(() => bobs.reinvites).toBe(1);
    await expect.poll(rooms).toEqual([[NUMBER, "bob"].sort()]);
    await bobs.hangup();
    await one.next("BYE");
  });

  it("tries the next peer, and takes the silent one down should it answer late", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const [ours, bobs] = await talk(alice, bob);
    one.on("INVITE", () => undefined);
    await refer(alice, ours, NUMBER);
    const silent = await one.next("INVITE");
    await two.next("INVITE");
    await ours.ended;
    one.answer(silent, { status: 200, body: CARRIER_SDP });
    await one.next("ACK");
    await one.next("BYE");
    await expect.poll(rooms).toEqual([[NUMBER, "bob"].sort()]);
    await bobs.hangup();
    await two.next("BYE");
  });

  it("leaves the call as it was when the number is busy: no other peer is tried", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const [ours, bobs] = await talk(alice, bob);
    one.on("INVITE", () => ({ status: 486 }));
    await refer(alice, ours, NUMBER);
    await expect.poll(() => ours.notified.at(-1)).toBe("SIP/2.0 486 Referred");
    expect(two.got.filter(({ method }) => method === "INVITE")).toEqual([]);
    await ours.hold();
    expect(bobs.remoteDirection).toBe("sendonly");
    await expect.poll(carried).toBe(0);
  });

  it("leaves the call as it was when the trunk has no room", async () => {
    await apply(", maxCalls: 1");
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const [out] = await dial(alice, OTHER);
    const [ours] = await talk(alice, bob);
    await refer(alice, ours, NUMBER);
    await expect.poll(() => ours.notified.at(-1)).toBe("SIP/2.0 503 Referred");
    expect(ours.over).toBe(false);
    await out.hangup();
    await apply();
  });

  it("ends all of it when the other party hangs up while it rings", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const [ours, bobs] = await talk(alice, bob);
    one.on("INVITE", () => ({ status: 180 }));
    await refer(alice, ours, NUMBER);
    const invite = await one.next("INVITE");
    await expect.poll(() => ours.notified.at(-1)).toBe("SIP/2.0 180 Ringing");
    await bobs.hangup();
    await one.next("CANCEL");
    one.answer(invite, { status: 487 });
    await ours.ended;
  });

  it("answers the carrier's challenges, to the INVITE and to the BYE", async () => {
    const strict = oneTimeNonces(account);
    one.on("INVITE", strict(accept));
    one.on(
      "BYE",
      strict(() => ({ status: 200 })),
    );
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const [ours, bobs] = await talk(alice, bob);
    await refer(alice, ours, NUMBER);
    await ours.ended;
    await expect.poll(rooms).toEqual([[NUMBER, "bob"].sort()]);
    await bobs.hangup();
    const byes = [await one.next("BYE"), await one.next("BYE")];
    expect(byes.map((bye) => bye.header("authorization") !== undefined)).toEqual([false, true]);
  });

  it("brings somebody outside into a group that a number leads to, and into no other", async () => {
    const alice = await registered("alice");
    const command = await alice.call("command");
    const refused = await refer(alice, command, NUMBER);
    expect([refused.status, reasonOf(refused)]).toEqual([403, 'SIP;cause=403;text="no number leads to the talk group"']); // prettier-ignore
    await command.hangup();
    const fire = await alice.call("fire-1");
    expect((await refer(alice, fire, NUMBER)).status).toBe(202);
    await expect.poll(rooms).toEqual([[NUMBER, "alice"].sort()]);
    expect(fire.over).toBe(false);
    await fire.hangup();
    await one.next("ACK");
    await expect.poll(rooms).toEqual([[NUMBER]]);
    const [leg] = [...calls.media.legs.keys()];
    await calls.media.endLeg(leg ?? "");
    await one.next("BYE");
  });

  it.each([
    ["carol", NUMBER, "not allowed to call outside numbers"],
    ["alice", "+33140000000", "no trunk takes this number"],
  ] as const)("of %s to %s is refused with 403", async (user, number, reason) => {
    const [phone, bob] = [await registered(user), await registered("bob")];
    const [ours] = await talk(phone, bob);
    const refused = await refer(phone, ours, number);
    expect([refused.status, reasonOf(refused)]).toEqual([403, `SIP;cause=403;text="${reason}"`]);
    expect(ours.over).toBe(false);
  });
});

describe("attended transfer over trunks", () => {
  it.each(["of the caller outside to a user", "of a user to the caller outside"])(
    "connects them: %s",
    async (which) => {
      const [alice, bob] = [await registered("alice"), await registered("bob")];
      const { call: outside, say } = await comesIn(alice);
      const [toBob, bobs] = await talk(alice, bob);
      const response = which.startsWith("of the caller")
        ? await refer(alice, outside, replacing(toBob, "sip:bob@crossband.test"))
        : await refer(alice, toBob, replacing(outside, `sip:${CALLER}@crossband.test`));
      expect(response.status).toBe(202);
      await Promise.all([outside.ended, toBob.ended]);
      await one.next("INVITE");
      await expect.poll(() => bobs.reinvites).toBe(1);
      await expect.poll(rooms).toEqual([[CALLER, "bob"].sort()]);
      await say("BYE");
      await bobs.ended;
    },
  );

  it("connects two parties outside, and both hang up together", async () => {
    const alice = await registered("alice");
    const { call: first, say } = await comesIn(alice);
    const [second] = await dial(alice);
    expect((await refer(alice, first, replacing(second, `sip:${NUMBER}@crossband.test`))).status).toBe(202);
    await Promise.all([first.ended, second.ended]);
    await expect.poll(rooms).toEqual([[CALLER, NUMBER].sort()]);
    expect(await carried()).toBe(2);
    await say("BYE");
    await one.next("BYE");
  });
});

describe("a trunk", () => {
  it.each([
    ["a number", `<sip:${CALLER}@carrier.example>`],
    ["a name that a user here has too", "<sip:alice@carrier.example>"],
  ])("may refer nobody, called %s: 403, and the call goes on", async (_title, from) => {
    const [alice, carol] = [await registered("alice"), await registered("carol")];
    const { call, say } = await comesIn(alice, from);
    const refused = await say("REFER", [["Refer-To", "<sip:carol@crossband.test>"]]);
    expect([refused.status, refused.header("reason")]).toEqual([
      403,
      'SIP;cause=403;text="trunks refer nobody"',
    ]);
    await call.hold();
    await expect(carol.incoming(50)).rejects.toThrow("no incoming call");
    await call.hangup();
    await one.next("BYE");
  });

  it("may take no call over", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const [ours] = await talk(alice, bob);
    const { dialog } = ours;
    const refused = await one.request(calls.server, {
      method: "INVITE", uri: `sip:${DID}@${calls.server}`, from: "<sip:alice@carrier.example>;tag=x", to: `<sip:${DID}@x>`, callId: `r-${++made}`, body: CARRIER_SDP,
      headers: [["Replaces", `${dialog.callId};to-tag=${dialog.remoteTag ?? ""};from-tag=${dialog.localTag}`]],
    }); // prettier-ignore
    expect([refused.status, ours.over]).toEqual([403, false]);
  });
});

describe("a transfer to a GRUU (RFC 5627)", () => {
  it("rings that device alone, blind", async () => {
    const [alice, carol] = [await registered("alice"), await registered("carol")];
    const [desk, mobile] = [await registered("bob", "urn:uuid:1"), await registered("bob", "urn:uuid:2")];
    const [ours, carols] = await talk(alice, carol);
    await refer(alice, ours, "<sip:bob@crossband.test;gr=urn:uuid:1>");
    const bobs = (await desk.incoming()).answer();
    await ours.ended;
    await expect(mobile.incoming(50)).rejects.toThrow("no incoming call");
    await carols.hangup();
    await bobs.ended;
  });

  it("takes the referrer's place in the call with it, attended", async () => {
    const [alice, carol] = [await registered("alice"), await registered("carol")];
    const desk = await registered("bob", "urn:uuid:1");
    const [toCarol, carols] = await talk(alice, carol);
    const invite = await alice.invite("sip:bob@crossband.test;gr=urn:uuid:1");
    const bobs = (await desk.incoming()).answer();
    const toDesk = await invite.answered;
    await refer(alice, toCarol, replacing(toDesk, "sip:bob@crossband.test;gr=urn:uuid:1"));
    await Promise.all([toCarol.ended, toDesk.ended]);
    await expect.poll(rooms).toEqual([["bob", "carol"]]);
    await carols.hangup();
    await bobs.ended;
  });

  it("that is nobody's is refused", async () => {
    const [alice, carol] = [await registered("alice"), await registered("carol")];
    const [ours] = await talk(alice, carol);
    const made = await refer(alice, ours, "<sip:tgruu.AAAA@crossband.test;gr>");
    expect([made.status, reasonOf(made)]).toEqual([403, 'SIP;cause=403;text="nobody there"']);
    const away = await refer(alice, ours, "<sip:bob@crossband.test;gr=urn:uuid:9>");
    expect([away.status, reasonOf(away)]).toEqual([403, 'SIP;cause=403;text="not registered"']);
  });
});
