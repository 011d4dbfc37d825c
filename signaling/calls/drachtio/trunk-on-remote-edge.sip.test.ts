import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { peerStatuses } from "#state/trunk/peer-status.ts";
import { loadOfTrunk } from "#state/trunk/slots.ts";
import { openStreamWire } from "#signaling/calls/testing/carrier-wire.ts";
import { CARRIER_SDP, oneTimeNonces, openCarrier, registered, type Answer, type Carrier } from "#signaling/calls/testing/carrier.ts"; // prettier-ignore
import { eventually } from "#signaling/calls/testing/eventually.ts";
import { startTestCalls, TEST_PROVISION, type TestCalls } from "#signaling/calls/testing/start-calls.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { CallRefused } from "#test/peers/sip-phone/outgoing-call.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";

const NUMBER = "+15557770001";
const DID = "+15551230001";
const account = { username: "acct", password: "secret" };
const accept: Answer = () => ({ status: 200, body: CARRIER_SDP });
const ok: Answer = () => ({ status: 200 });

let calls: TestCalls;
let alice: Phone;
let one: Carrier;
let two: Carrier;
let made = 0;

beforeAll(async () => {
  calls = await startTestCalls({}, "127.0.0.1", { onRemoteEdge: true });
  alice = await calls.phone("alice");
  await alice.register();
});
afterAll(() => calls.close());
beforeEach(async () => {
  one = await openCarrier("127.0.0.111");
  two = await openCarrier("127.0.0.112", await openStreamWire("127.0.0.112", 0));
  for (const carrier of [one, two]) carrier.on("INVITE", accept);
});
afterEach(async () => {
  for (const call of alice.calls) await call.hangup().catch(() => undefined);
  await eventually(async () => {
    expect((await loadOfTrunk(calls.redis, trunk(), Date.now())).calls).toBe(0);
  }, 15_000);
  await applyProvision(calls.redis, parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [{ id: ${trunk()}, enabled: false, peers: ["${one.peer}"] }]`))); // prettier-ignore
  for (const carrier of [one, two]) carrier.close();
});

const trunk = (): string => `remote${made}`;
/** One trunk with both carriers; resolves when they have been asked for OPTIONS. */
async function apply(more = "", optionsSeconds = 3_600): Promise<void> {
  made++;
  const own = `{ id: ${trunk()}, peers: ["${one.peer}", "${two.peer}"], username: acct, password: secret, allow: [fire], optionsSeconds: ${optionsSeconds}, firstResponseMs: 500,
    outbound: [{ prefix: "+1" }], inbound: [{ did: "${DID}", to: fire-1 }], register: ${more.includes("register")}, ${more.replace("register", "")} }`;
  await applyProvision(calls.redis, parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [${own}]`)));
  for (const carrier of [one, two]) await carrier.next("OPTIONS");
}
const dial = () => alice.call(`sip:${NUMBER}@crossband.test`);

describe("a trunk whose calls run on a remote edge", () => {
  it("is registered with, under a contact of its own, and takes calls by it", async () => {
    const strict = oneTimeNonces(account);
    one.on("REGISTER", strict(registered(300)));
    two.on("REGISTER", registered(300));
    await apply("register");
    const [first, second] = [await one.next("REGISTER"), await one.next("REGISTER")];
    expect([second.callId, second.cseq.seq]).toEqual([first.callId, first.cseq.seq + 1]);
    const contact = second.contacts[0]?.uriText ?? "";
    expect(contact).toMatch(/^sip:t[0-9a-f]{20}@127\.0\.0\.1:/);
    expect((await two.next("REGISTER")).contacts[0]?.uriText).toContain(";transport=tcp");
    await eventually(async () => {
      expect((await peerStatuses(calls.redis, trunk())).get(one.peer)?.registration?.state).toBe(
        "registered",
      );
    });
    const parts = {
      method: "INVITE", uri: contact, from: "<sip:+15557654321@carrier.example>;tag=c", to: `<sip:${DID}@carrier.example>`, callId: `r-${made}@carrier`, seq: 1, body: CARRIER_SDP,
    }; // prettier-ignore
    const answer = await one.request(calls.server, parts);
    expect(answer.status).toBe(200);
    expect((await loadOfTrunk(calls.redis, trunk(), Date.now())).calls).toBe(1);
    await hangUp(parts, answer);
  });

  it("finds a peer that is not fit", async () => {
    one.on("OPTIONS", () => ({ status: 503 }));
    await apply("", 1);
    await eventually(async () => {
      const known = await peerStatuses(calls.redis, trunk());
      expect([known.get(one.peer)?.health?.state, known.get(two.peer)?.health?.state]).toEqual([
        "down",
        "up",
      ]);
    });
    const call = await dial();
    await two.next("INVITE");
    await call.hangup();
    await two.next("BYE");
  });

  it("gets credentials in INVITE, re-INVITE and BYE when it asks for them", async () => {
    const strict = oneTimeNonces(account, { proxy: true, algorithm: "SHA-256" });
    one.on("INVITE", strict(accept));
    one.on("BYE", strict(ok));
    await apply();
    const call = await dial();
    const sent = [await one.next("INVITE"), await one.next("INVITE")];
    await call.hold();
    sent.push(await one.next("INVITE"), await one.next("INVITE"));
    await call.hangup();
    sent.push(await one.next("BYE"), await one.next("BYE"));
    expect(sent.map((request) => request.header("proxy-authorization") !== undefined)).toEqual([
      false, true, false, true, false, true,
    ]); // prettier-ignore
    expect(new Set(sent.map(({ callId }) => callId)).size).toBe(1);
    expect(sent.map(({ cseq }) => cseq.seq)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("fails over from a silent peer, which is taken down should it answer late", async () => {
    one.on("INVITE", () => undefined);
    await apply();
    const call = await dial();
    const silent = await one.next("INVITE");
    await two.next("INVITE");
    one.answer(silent, accept(silent) ?? { status: 500 });
    await one.next("ACK");
    await one.next("BYE");
    await call.hangup();
    await two.next("BYE");
  });

  it("is held to its limits, both ways", async () => {
    await apply("maxCalls: 1");
    const call = await dial();
    await one.next("INVITE");
    const refused = await dial().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refused instanceof CallRefused && refused.status).toBe(503);
    const parts = { method: "INVITE", uri: `sip:${DID}@${calls.server}`, from: "<sip:+1@x>;tag=c", to: "<sip:d@x>", callId: `l-${made}`, seq: 1, body: CARRIER_SDP }; // prettier-ignore
    expect((await one.request(calls.server, parts)).status).toBe(503);
    await call.hangup();
    await one.next("BYE");
  });

  it("is where a call is transferred to, blind", async () => {
    const bob = await calls.phone("bob");
    await bob.register();
    await apply();
    const invite = await alice.invite("bob");
    const bobs = (await bob.incoming()).answer();
    const ours = await invite.answered;
    const request = ours.dialog.request("REFER", [["Contact", alice.contact], ["Refer-To", `<sip:${NUMBER}@crossband.test>`]]); // prettier-ignore
    expect((await alice.endpoint.request(request, { to: alice.server })).status).toBe(202);
    await one.next("INVITE");
    await ours.ended;
    await expect.poll(() => calls.media.legs.size).toBe(2);
    await bobs.hangup();
    await one.next("BYE");
  });
});

async function hangUp(parts: Parameters<Carrier["request"]>[1], answer: SipMessage): Promise<void> {
  const { body: _body, ...rest } = parts;
  const inDialog = { ...rest, uri: answer.contacts[0]?.uriText ?? "", to: answer.header("to") ?? "" };
  one.ack(calls.server, inDialog);
  expect((await one.request(calls.server, { ...inDialog, method: "BYE", seq: 9 })).status).toBe(200);
}
