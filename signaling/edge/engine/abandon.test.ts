import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow, SipEvent } from "#signaling/sip-port/sip-port.ts";
import { abandonInvite, takeRefusal } from "./abandon.ts";
import { Draft } from "./draft.ts";
import { callIdOf, legIdOf, parseLegId, parseRefusal, refusalTag } from "./ids.ts";
import { keyOf } from "./origin.ts";
import { receiveRequest, settleRequest } from "./receive-request.ts";
import { decodeBody, emptyCall, encodeBody, type CallRecord } from "./record.ts";
import { isUnstable, nextWake } from "./schedule.ts";
import { stepOf } from "./step.ts";
import { resendAll } from "./wake.ts";

const call = callIdOf("s", "INVITE", "key");
const leg = legIdOf(call, 0);
const REVISION = "abcd0001";
const refusal = refusalTag(call, REVISION);
const peer: Flow = { transport: "udp", host: "10.0.0.9", port: 5060 };
const callee: Flow = { transport: "udp", host: "10.0.0.7", port: 5060 };
const START = 1_000_000;

const draftOn = (record: CallRecord, revision?: string) =>
  new Draft(
    decodeBody(encodeBody({ record, state: "" })),
    { nowMs: START, advertised: () => "192.0.2.1:5060" },
    revision,
  );
const parse = (text: string) => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const request = (method: string, seq: number, tag: string | undefined, branch: string) =>
  parse(
    `${method} sip:g@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK${branch}\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=f\r\n` +
      `To: <sip:g@h>${tag === undefined ? "" : `;tag=${tag}`}\r\nCall-ID: c\r\nCSeq: ${seq} ${method}\r\nContact: <sip:a@10.0.0.9>\r\nContent-Length: 0\r\n\r\n`,
  );
const invite = request("INVITE", 1, undefined, "i");
const ackOfRefusal = request("ACK", 1, refusal, "i");

/** What a step made of a record, and what it said. */
function outcome(draft: Draft, event: SipEvent | undefined) {
  const sent = draft.outgoing.map(({ status, method }) => `${status === 0 ? "" : `${status} `}${method}`);
  return { record: draft.record, sent, told: event, texts: draft.outgoing.map(({ text }) => text) };
}
function take(record: CallRecord, message: ReturnType<typeof parse>, status?: number) {
  const draft = draftOn(record);
  const event = receiveRequest(draft, 0, message, peer);
  if (event?.type === "request" && status !== undefined)
    stepOf(draft).command({ type: "reply", txn: event.txn, status });
  settleRequest(draft);
  return outcome(draft, event);
}
function acknowledge(record: CallRecord, ack = ackOfRefusal, revision?: string) {
  const draft = draftOn(record, revision);
  return outcome(draft, takeRefusal(draft, ack, REVISION));
}
/** The record has, or has not, the revision that the refused step was to be committed as. */
function abandon(record: CallRecord, revision?: string, message = invite) {
  const draft = draftOn(record, revision);
  return outcome(draft, abandonInvite(draft, 0, keyOf(message), REVISION));
}
/** The record with an INVITE of ours to the callee. */
function calling(record: CallRecord): CallRecord {
  const draft = draftOn(record);
  stepOf(draft).command({
    type: "request", leg: legIdOf(call, 1), method: "INVITE", uri: "sip:b@10.0.0.7", from: "<sip:a@h>", to: "<sip:b@h>", flow: callee,
  }); // prettier-ignore
  return draft.record;
}

const proceeding = take(emptyCall(call), invite).record;
const answered = take(emptyCall(call), invite, 200).record;
const established = take(answered, request("ACK", 1, leg, "a")).record;
const cancelled = { type: "cancel", leg, txn: `${leg}-s1`, refused: true };

describe("an INVITE that was refused although its step was committed", () => {
  it("is over for call control, and refused in the record: whoever repeats it hears the same", () => {
    const { record, told, sent } = abandon(proceeding);
    expect([told, sent]).toEqual([cancelled, []]);
    const again = take(record, invite);
    expect(again.sent).toEqual(["503 INVITE"]);
    expect(again.texts[0]).toContain(`;tag=${refusal}\r\n`);
    expect(again.texts[0]).toContain("\r\nRetry-After: 5\r\n");
  });

  it("is unfinished until the caller has acknowledged the refusal", () => {
    const { record } = abandon(proceeding);
    expect(isUnstable(record)).toBe(true);
    const { record: after, told } = acknowledge(record);
    expect([told, isUnstable(after)]).toEqual([undefined, false]);
  });

  it.each([
    ["when it is given up", abandon],
    [
      "when its caller acknowledges the refusal first",
      (record: CallRecord, at: string) => acknowledge(record, ackOfRefusal, at),
    ],
  ])("rings nobody while nothing of it has left, %s", (_when, refuse) => {
    const { record } = refuse(calling(proceeding), REVISION);
    expect(record.legs[1]?.clients).toEqual([]);
    const draft = draftOn(record);
    stepOf(draft).command({ type: "cancel", leg: legIdOf(call, 1) });
    resendAll(draft);
    expect(draft.outgoing.filter(({ status }) => status === 0)).toEqual([]);
  });

  it("leaves what may have left to be cancelled: another step has been committed since", () => {
    expect(abandon(calling(proceeding), "abcd0002").record.legs[1]?.clients).toHaveLength(1);
    expect(acknowledge(calling(proceeding), ackOfRefusal, "abcd0002").record.legs[1]?.clients).toHaveLength(
      1,
    );
  });

  it("is left alone once another instance has answered it: the ACK tells which answer the caller took", () => {
    expect(abandon(answered)).toMatchObject({ told: undefined, record: answered });
    expect(abandon(established)).toMatchObject({ told: undefined, record: established });
  });

  it("of a dialog that stands leaves the dialog", () => {
    const again = request("INVITE", 2, leg, "r");
    const { record } = take(established, again);
    const refused = abandon(record, undefined, again);
    expect(refused.told).toEqual({ ...cancelled, txn: `${leg}-s2` });
    expect(refused.record.legs[0]?.dialog?.state).toBe("confirmed");
    expect(isUnstable(take(refused.record, request("ACK", 2, leg, "r")).record)).toBe(false);
  });
});

describe("the ACK of a refusal by an instance that knew nothing of the call", () => {
  it("names the call", () => {
    expect(parseRefusal(refusal)).toEqual({ call, revision: REVISION });
    expect(parseRefusal(refusalTag(call))).toEqual({ call, revision: "" });
    expect([parseLegId(refusal), parseRefusal(leg), parseRefusal(undefined)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("ends an INVITE that is not answered, as a CANCEL would", () => {
    const { record, told, sent } = acknowledge(proceeding);
    expect([told, sent, isUnstable(record)]).toEqual([cancelled, [], false]);
    expect(record.legs[0]?.dialog?.state).toBe("ended");
  });

  it("ends an answered one: its 2xx is repeated no more, for nobody takes it", () => {
    const { record, told } = acknowledge(answered);
    expect(told).toEqual({ type: "ack-timeout", leg, refused: true });
    expect([nextWake(record, START), record.legs[0]?.dialog?.state]).toEqual([undefined, "ended"]);
  });

  it("ends nothing that the caller has acknowledged, or that came by another way", () => {
    expect(acknowledge(established)).toMatchObject({ told: undefined, record: established });
    const other = request("ACK", 1, refusal, "elsewhere");
    expect(acknowledge(proceeding, other)).toMatchObject({ told: undefined, record: proceeding });
    expect(acknowledge(emptyCall(call))).toMatchObject({ told: undefined, sent: [] });
  });

  it("is not the ACK of a 2xx by a phone that takes the branch of its INVITE for it", () => {
    expect(take(answered, request("ACK", 1, leg, "i")).told).toMatchObject({ type: "ack" });
  });
});
