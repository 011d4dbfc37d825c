import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { loadOfTrunk } from "#state/trunk/slots.ts";
import {
  CARRIER_SDP, challenging, oneTimeNonces, openCarrier, type Answer, type Carrier,
} from "#signaling/calls/testing/carrier.ts"; // prettier-ignore
import { eventually } from "#signaling/calls/testing/eventually.ts";
import { dialogOfCaller, openScriptedPhone } from "#signaling/calls/testing/scripted-phone.ts";
import { startTestCalls, TEST_PROVISION, type TestCalls } from "#signaling/calls/testing/start-calls.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";
import { CallRefused } from "#test/peers/sip-phone/outgoing-call.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";

const NUMBER = "+15557770001";
const account = { username: "acct", password: "secret" };
const METHODS = ["INVITE", "PRACK", "UPDATE", "INFO", "OPTIONS", "BYE"];
const ok: Answer = () => ({ status: 200 });
const accept: Answer = () => ({ status: 200, body: CARRIER_SDP, headers: [["Allow", "INVITE, UPDATE"]] });

let calls: TestCalls;
let alice: Phone;
let carrier: Carrier;

beforeAll(async () => {
  // Long enough for none to end here, short enough to be refreshed here.
  calls = await startTestCalls({ sessionExpiresSeconds: 2, minSeSeconds: 1 });
  alice = await calls.phone("alice");
  await alice.register();
  carrier = await openCarrier("127.0.0.71");
  const trunk = `{ id: strict, peers: ["${carrier.peer}"], register: false, username: acct, password: secret, allow: [fire], optionsSeconds: 3600,
    outbound: [{ prefix: "+1" }], inbound: [{ did: "+15551230001", to: alice }] }`;
  await applyProvision(
    calls.redis,
    parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [${trunk}]`)),
  );
  await carrier.next("OPTIONS");
});
afterAll(async () => {
  carrier.close();
  await calls.close();
});
afterEach(async () => {
  await eventually(async () => {
    expect((await loadOfTrunk(calls.redis, "strict", Date.now())).calls).toBe(0);
  });
  carrier.got.length = 0;
  for (const method of METHODS) carrier.on(method, ok);
});

/** Has the carrier ask for credentials in every request. */
function beStrict(options: Parameters<typeof oneTimeNonces>[1] = {}, answers: Record<string, Answer> = {}) {
  const strict = oneTimeNonces(account, options);
  for (const method of METHODS)
    carrier.on(method, strict(answers[method] ?? (method === "INVITE" ? accept : ok)));
}
const credentialsOf = (request: SipMessage): string | undefined =>
  request.header("authorization") ?? request.header("proxy-authorization");
/** The request that was refused, and the one that came after it. */
async function refusedAndRepeated(method: string): Promise<readonly [SipMessage, SipMessage]> {
  const [first, second] = [await carrier.next(method), await carrier.next(method)];
  expect(credentialsOf(first)).toBeUndefined();
  expect(credentialsOf(second)).toContain(`uri="${second.uri}"`);
  expect([second.callId, second.from.tag, second.to.tag, second.body]).toEqual([
    first.callId, first.from.tag, first.to.tag, first.body,
  ]); // prettier-ignore
  expect(second.cseq.seq).toBe(first.cseq.seq + 1);
  return [first, second];
}
const dial = () => alice.call(`sip:${NUMBER}@crossband.test`);

describe("a carrier that wants credentials in every request (RFC 3261 §22.2, §22.3)", () => {
  it.each([
    ["401, MD5", { proxy: false, algorithm: "MD5" }],
    ["407, SHA-256", { proxy: true, algorithm: "SHA-256" }],
  ] as const)("gets them, with the next CSeq, in re-INVITE and BYE: %s", async (_title, how) => {
    beStrict(how);
    const call = await dial();
    const [, invite] = await refusedAndRepeated("INVITE");
    await carrier.next("ACK");
    const ack = await carrier.next("ACK");
    expect([ack.cseq.seq, credentialsOf(ack)]).toEqual([invite.cseq.seq, credentialsOf(invite)]);
    await call.hold();
    const [, held] = await refusedAndRepeated("INVITE");
    expect(held.body).toContain("a=sendonly");
    await carrier.next("ACK");
    expect(credentialsOf(await carrier.next("ACK"))).toBe(credentialsOf(held));
    await call.hangup();
    await refusedAndRepeated("BYE");
  });

  it("gets them in PRACK, UPDATE and INFO, and whoever asked gets the answer", async () => {
    beStrict({}, { INVITE: () => ({ status: 183, body: CARRIER_SDP, headers: [["Require", "100rel"], ["RSeq", "9"]] }) }); // prettier-ignore
    const bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
    bob.say({ method: "INVITE", seq: 1, to: NUMBER, headers: "Supported: 100rel\r\nAllow: INVITE, UPDATE, PRACK\r\n", body: SDP }); // prettier-ignore
    const [, invite] = await refusedAndRepeated("INVITE");
    const progress = await bob.next(183);
    const rack = `RAck: ${progress.header("rseq") ?? ""} 1 INVITE\r\n`;
    bob.say({ method: "PRACK", seq: 2, headers: rack }, dialogOfCaller(progress));
    const [, prack] = await refusedAndRepeated("PRACK");
    expect(prack.header("rack")).toBe(`9 ${invite.cseq.seq} INVITE`);
    carrier.answer(invite, { status: 200 });
    const answered = await bob.next(({ status, cseq }) => status === 200 && cseq.method === "INVITE");
    const dialog = dialogOfCaller(answered);
    bob.say({ method: "ACK", seq: 1, branch: `${bob.name}ack` }, dialog);
    bob.say({ method: "UPDATE", seq: 3, body: SDP }, dialog);
    await refusedAndRepeated("UPDATE");
    await bob.next(({ status, cseq }) => status === 200 && cseq.method === "UPDATE");
    const info = { method: "INFO", seq: 4, headers: "Content-Type: application/dtmf-relay\r\n" };
    bob.say(info, dialog);
    await refusedAndRepeated("INFO");
    bob.say({ method: "BYE", seq: 5 }, dialog);
    await refusedAndRepeated("BYE");
    await bob.leave();
  });

  it("gets them in the refreshes of a session that are the edge's own (RFC 4028)", async () => {
    beStrict();
    const call = await dial();
    await refusedAndRepeated("INVITE");
    const [, update] = await refusedAndRepeated("UPDATE");
    expect(update.header("session-expires")).toBeUndefined();
    await call.hangup();
    await refusedAndRepeated("BYE");
  });

  it("gets them in a refresh by re-INVITE", async () => {
    const terms: Answer = () => ({
      status: 200,
      body: CARRIER_SDP,
      headers: [["Session-Expires", "2;refresher=uac"], ["Require", "timer"]],
    }); // prettier-ignore
    beStrict({}, { INVITE: terms });
    const call = await dial();
    const [, invite] = await refusedAndRepeated("INVITE");
    const [, refresh] = await refusedAndRepeated("INVITE");
    expect([refresh.body, refresh.header("session-expires")]).toEqual([invite.body, "2;refresher=uac"]);
    await call.hangup();
    await refusedAndRepeated("BYE");
  });

  it("gets them in the BYE of a call that it made itself", async () => {
    beStrict();
    const parts = {
      uri: `sip:+15551230001@${calls.server}`, from: "<sip:+15557654321@carrier.example>;tag=in", to: "<sip:+15551230001@carrier.example>",
      callId: "in-1@carrier", body: CARRIER_SDP,
    }; // prettier-ignore
    const ringing = alice.incoming();
    const answered = carrier.request(calls.server, { ...parts, method: "INVITE", seq: 1 });
    const call = (await ringing).answer();
    const answer = await answered;
    const { body: _body, ...rest } = parts;
    carrier.ack(calls.server, { ...rest, method: "ACK", seq: 1, uri: answer.contacts[0]?.uriText ?? "", to: answer.header("to") ?? "" }); // prettier-ignore
    await call.confirmed();
    await call.hangup();
    await refusedAndRepeated("BYE");
  });
});

describe("credentials towards a carrier", () => {
  it("are counted while the same nonce serves (RFC 7616 nc), and made anew when it is stale", async () => {
    carrier.on("INVITE", challenging(account, accept));
    const counts: (string | undefined)[] = [];
    const count = (request: SipMessage) => /nc=(\d+)/.exec(credentialsOf(request) ?? "")?.[1];
    let stale = false;
    carrier.on("BYE", (request) => {
      counts.push(count(request));
      if (counts.length === 2) stale = true;
      const nonce = stale ? "n2" : "n1";
      const rule = challenging(account, ok, { nonce })(request);
      if (rule?.status !== 401 || counts.length !== 2) return rule;
      return { status: 401, headers: rule.headers?.map(([name, value]) => [name, `${value}, stale=true`] as const) ?? [] }; // prettier-ignore
    });
    const call = await dial();
    await call.hangup();
    await eventually(() => {
      expect(counts).toEqual([undefined, "00000002", "00000001"]);
    });
  });

  it("that it would not take are not offered twice, and the next peer is tried", async () => {
    const wrong = challenging({ ...account, password: "another" }, accept);
    carrier.on("INVITE", wrong);
    const refused = await dial().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(CallRefused);
    expect(carrier.got.filter(({ method }) => method === "INVITE")).toHaveLength(2);
  });

  it("that a BYE is refused with leave the call over on our side all the same", async () => {
    carrier.on("INVITE", accept);
    carrier.on("BYE", challenging({ ...account, password: "another" }, ok));
    const call = await dial();
    await call.hangup();
    await refusedAndRepeated("BYE");
  });

  it("are never in a CANCEL, and one that is challenged is not repeated (§22.1)", async () => {
    carrier.on(
      "INVITE",
      challenging(account, () => ({ status: 180 })),
    );
    carrier.on("CANCEL", challenging(account, ok));
    const outgoing = await alice.invite(`sip:${NUMBER}@crossband.test`);
    await outgoing.ringing();
    const [, invite] = await refusedAndRepeated("INVITE");
    await outgoing.cancel();
    const cancel = await carrier.next("CANCEL");
    expect([cancel.cseq.seq, credentialsOf(cancel)]).toEqual([invite.cseq.seq, undefined]);
    carrier.answer(invite, { status: 487 });
    // The ACK of a failure repeats them too.
    await carrier.next("ACK");
    expect(credentialsOf(await carrier.next("ACK"))).toBe(credentialsOf(invite));
    expect(carrier.got.filter(({ method }) => method === "CANCEL")).toEqual([]);
  });

  it("are not shown to a telephone that asks for them", async () => {
    carrier.on("INVITE", accept);
    const bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
    bob.say({ method: "INVITE", seq: 1, to: NUMBER, headers: "Allow: INVITE, UPDATE\r\n", body: SDP });
    const answered = await bob.next(200);
    bob.say({ method: "ACK", seq: 1, branch: `${bob.name}ack` }, dialogOfCaller(answered));
    const bye = carrier.request(calls.server, {
      method: "BYE", seq: 1, uri: (await carrier.next("INVITE")).contacts[0]?.uriText ?? "", ...dialogOfCallee(await carrier.next("ACK")),
    }); // prettier-ignore
    const theirs = await bob.next("BYE");
    bob.answer(theirs, 401, {
      headers: 'WWW-Authenticate: Digest realm="carrier.example", nonce="x", qop="auth"',
    });
    expect((await bye).status).toBe(200);
    await bob.leave();
    expect(bob.inbox.filter(({ method }) => method === "BYE")).toEqual([]);
  });
});

/** The carrier's side of a dialog, from the ACK that it got. */
const dialogOfCallee = (ack: SipMessage) => ({
  from: ack.header("to") ?? "",
  to: ack.header("from") ?? "",
  callId: ack.callId,
});
