import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { TIMEOUT } from "#signaling/edge/transaction/timing.ts";
import type { Flow, SipCommand } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { receiveResponse } from "./receive-response.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { stepOf } from "./step.ts";
import { resendAll, wake } from "./wake.ts";

const call = callIdOf("s", "INVITE", "key");
const leg = legIdOf(call, 1);
const peer: Flow = { transport: "udp", host: "10.0.0.9", port: 5060 };
const START = 1_000_000;
const PROOF = ["Proxy-Authorization", "Digest one"] as const;
const NONCE = { nonce: "n", count: 1 };

const draftOn = (record: CallRecord, ms = 0) =>
  new Draft(
    { record: JSON.parse(JSON.stringify(record)) as CallRecord, state: undefined },
    { nowMs: START + ms, advertised: () => "192.0.2.1:5060" },
  );
const parse = (text = ""): SipMessage => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const after = (record: CallRecord, ...commands: readonly SipCommand[]) => {
  const draft = draftOn(record);
  for (const command of commands) stepOf(draft).command(command);
  return draft;
};
const within = (method: string): SipCommand => ({ type: "in-dialog", leg, method });
const invite = (more: object = {}): SipCommand => ({
  type: "request", leg, method: "INVITE", uri: "sip:b@10.0.0.9", from: "<sip:a@h>", to: "<sip:b@h>", flow: peer, account: "carrier",
  body: "v=0\r\n", contentType: "application/sdp", ...more,
}); // prettier-ignore
/** The peer's answer to our latest request. */
function answer(record: CallRecord, status: number, ms = 0) {
  const sent = parse(record.legs[1]?.clients.at(-1)?.request);
  const to = sent.header("to") ?? "";
  const text =
    `SIP/2.0 ${status} X\r\nVia: ${sent.header("via") ?? ""}\r\nFrom: ${sent.header("from") ?? ""}\r\nTo: ${to}${to.includes("tag=") ? "" : ";tag=b"}\r\n` +
    `Call-ID: ${sent.callId}\r\nCSeq: ${sent.header("cseq") ?? ""}\r\nContact: <sip:b@10.0.0.9>\r\nContent-Length: 0\r\n\r\n`;
  const draft = draftOn(record, ms);
  const event = receiveResponse(draft, { call, leg, number: 1, seq: sent.cseq.seq }, parse(text));
  return { draft, record: draft.record, event };
}
/** An answered call of the account. */
const talking = (account = {}): CallRecord =>
  after(answer(after(emptyCall(call), invite(account)).record, 200).record, { type: "ack", leg }).record;
/** A request that was refused with 407 in this very step, and sent again. */
function authorized(record: CallRecord, status = 407) {
  const { draft, event } = answer(record, status);
  if (event?.type !== "response" || !event.challenged) throw new Error("not told as a challenge");
  stepOf(draft).command({ type: "authorize", leg, txn: event.txn, headers: [PROOF], nonce: NONCE });
  return { draft, event };
}
const shown = (draft: Draft) =>
  draft.outgoing.map(({ text }) => parse(text)).map(({ method, cseq }) => `${method} ${cseq.seq}`);
const lastOf = (draft: Draft) => parse(draft.outgoing.at(-1)?.text);

describe("a challenge to a request of an account (RFC 3261 §22.2)", () => {
  it("to the INVITE that begins a call is answered in the step that tells of it", () => {
    const { draft, event } = authorized(after(emptyCall(call), invite()).record);
    expect(event.challenged).toEqual({
      account: "carrier",
      uri: "sip:b@10.0.0.9",
      credentials: [],
      repeated: 0,
    });
    expect(shown(draft)).toEqual(["ACK 1", "INVITE 2"]);
    const again = lastOf(draft);
    expect([again.header("proxy-authorization"), again.to.tag, again.callId]).toEqual([
      PROOF[1],
      undefined,
      leg,
    ]);
  });

  it.each(["INVITE", "UPDATE", "INFO", "MESSAGE", "NOTIFY", "BYE"])("to %s in a call is too", (method) => {
    const { draft } = authorized(after(talking(), within(method)).record);
    expect([lastOf(draft).method, lastOf(draft).cseq.seq, lastOf(draft).to.tag]).toEqual([method, 3, "b"]);
  });

  it("is one commit with the request that answers it: a survivor sends that byte for byte", () => {
    const { draft } = authorized(after(talking(), within("BYE")).record);
    const survivor = draftOn(draft.record, 3_000);
    resendAll(survivor);
    expect(survivor.outgoing.map(({ text }) => text)).toEqual([draft.outgoing.at(-1)?.text]);
  });

  it("tells call control of the answer under the first id, and of what was tried", () => {
    const asked = after(talking(), within("UPDATE")).record;
    const first = asked.legs[1]?.clients.at(-1)?.id;
    const { draft } = authorized(asked);
    const { event } = answer(draft.record, 401);
    expect(event).toMatchObject({
      txn: first,
      challenged: { credentials: [[...PROOF]], repeated: 1, nonce: NONCE },
    });
  });

  it("is not answered in a later step, nor under another id", () => {
    const asked = after(talking(), within("UPDATE")).record;
    const { draft, event, record } = answer(asked, 401);
    const txn = event?.type === "response" ? event.txn : "";
    const command: SipCommand = { type: "authorize", leg, txn, headers: [PROOF], nonce: NONCE };
    expect(after(record, command).outgoing).toEqual([]);
    stepOf(draft).command({ ...command, txn: "another" });
    expect(shown(draft)).toEqual([]);
  });

  it("replaces the credentials of its kind and keeps the other", () => {
    const { draft } = authorized(after(talking(), within("INFO")).record);
    const { draft: second, event } = answer(draft.record, 401);
    const proof = ["Authorization", "Digest two"] as const;
    if (event?.type === "response")
      stepOf(second).command({ type: "authorize", leg, txn: event.txn, headers: [proof], nonce: NONCE });
    const both = lastOf(second);
    expect([both.header("authorization"), both.headers("proxy-authorization")]).toEqual([
      proof[1],
      [PROOF[1]],
    ]);
  });

  it("is told as a plain refusal of a leg without account, and of a request that nobody wants any more", () => {
    const plain = answer(after(talking({ account: undefined }), within("INFO")).record, 401);
    expect(plain.event).not.toHaveProperty("challenged");
    const given = after(emptyCall(call), invite(), { type: "cancel", leg }).record;
    expect(answer(given, 407).event).not.toHaveProperty("challenged");
    const over = after(talking(), within("INFO"), within("BYE")).record;
    const info = over.legs[1]?.clients.findLast(({ method }) => method === "INFO");
    const reordered = { ...over, legs: { 1: { ...over.legs[1], clients: [info] } } } as CallRecord;
    expect(answer(reordered, 401).event).not.toHaveProperty("challenged");
  });

  it("gives the peer as long again to say anything at all", () => {
    const { draft } = authorized(after(emptyCall(call), invite({ patienceMs: 500 })).record);
    const silent = draftOn(draft.record, 500);
    expect(wake(silent, START + 499)).toMatchObject({ event: { status: 408, local: true } });
    const patient = draftOn(authorized(after(emptyCall(call), invite()).record).draft.record, TIMEOUT - 1);
    expect(wake(patient, START + TIMEOUT - 2)).toBeUndefined();
  });
});

describe("an ACK (RFC 3261 §22.1)", () => {
  it("repeats the credentials of its INVITE, after a 2xx and after a refusal", () => {
    const { draft } = authorized(after(talking(), within("INVITE")).record);
    const taken = after(answer(draft.record, 200).record, { type: "ack", leg });
    expect(lastOf(taken).header("proxy-authorization")).toBe(PROOF[1]);
    const refused = answer(draft.record, 488).draft;
    expect([lastOf(refused).method, lastOf(refused).header("proxy-authorization")]).toEqual([
      "ACK",
      PROOF[1],
    ]);
  });
});

describe("the account of a leg that its peer began", () => {
  it("is set by a command and changes nothing when it is set again", () => {
    const set: SipCommand = { type: "account", leg, account: "carrier" };
    const { record } = after(emptyCall(call), set);
    expect(record.legs[1]?.account).toEqual({ name: "carrier" });
    expect(after(record, set).changed).toBe(false);
  });
});
