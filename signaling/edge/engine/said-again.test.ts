import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { moveLeg } from "./follow.ts";
import { legIdOf, newCallId } from "./ids.ts";
import { receiveRequest, settleRequest } from "./receive-request.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { stepOf } from "./step.ts";

const call = newCallId();
const lost: Flow = { transport: "tcp", host: "10.0.0.9", port: 40_001, instance: "one", connection: "a" };
const next: Flow = { transport: "tcp", host: "10.0.0.9", port: 40_002, instance: "two", connection: "b" };
const elsewhere: Flow = { ...next, host: "10.0.0.77" };
const datagrams: Flow = { transport: "udp", host: "10.0.0.9", port: 5_060 };
const registration = { user: "alice", key: "<urn:uuid:1>|1" };

interface Changes {
  readonly branch?: string;
  readonly sentBy?: string;
  readonly toTag?: string;
  readonly fromTag?: string;
  readonly under?: string;
}
function request(
  method: string,
  seq: number,
  { branch = "1", sentBy = "10.0.0.9:40001", toTag, fromTag = "f", under }: Changes = {},
) {
  const parsed = parseMessage(
    `${method} sip:bob@h SIP/2.0\r\nVia: SIP/2.0/TCP ${sentBy};branch=z9hG4bK${branch};rport\r\n${under === undefined ? "" : `Via: ${under}\r\n`}Max-Forwards: 70\r\n` +
      `From: <sip:alice@h>;tag=${fromTag}\r\nTo: <sip:bob@h>${toTag === undefined ? "" : `;tag=${toTag}`}\r\nCall-ID: c\r\nCSeq: ${seq} ${method}\r\n` +
      "Contact: <sip:alice@10.0.0.9>\r\nContent-Length: 0\r\n\r\n",
  );
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
}

const on = (record: CallRecord): Draft =>
  new Draft({ record, state: undefined }, { nowMs: 1_000, advertised: () => "192.0.2.1:5060" });
const leg = legIdOf(call, 0);

/** A record after an INVITE by a flow, answered so. */
function invited(by: Flow, ...statuses: number[]): CallRecord {
  const draft = on(emptyCall(call));
  receiveRequest(draft, 0, request("INVITE", 1), by);
  for (const status of statuses) stepOf(draft).command({ type: "reply", txn: `${leg}-s1`, status });
  settleRequest(draft);
  return draft.record;
}
/** The same after a request in its dialog. */
function then(record: CallRecord, method: string, seq: number, by: Flow, status: number): CallRecord {
  const draft = on(record);
  receiveRequest(draft, 0, request(method, seq, { branch: "2", toTag: leg }), by);
  stepOf(draft).command({ type: "reply", txn: `${leg}-s${seq}`, status });
  return draft.record;
}
const registered = (record: CallRecord): CallRecord => {
  const known = record.legs[0];
  if (!known) throw new Error("no leg");
  return { ...record, legs: { ...record.legs, 0: { ...known, registration } } };
};

/** What goes out for a request, and where. */
function answers(record: CallRecord, message: ReturnType<typeof request>, by: Flow) {
  const draft = on(record);
  const event = receiveRequest(draft, 0, message, by);
  const sent = draft.outgoing.map(({ status, flow, text }) => ({
    status,
    by: flow.connection ?? flow.host,
    branch: /branch=z9hG4bK(\w+)/.exec(text)?.[1],
  }));
  return { draft, event, sent };
}

describe("a request that comes again over another connection than before", () => {
  it.each([
    ["an INVITE without an answer", [], 100],
    ["an INVITE that rings", [180], 180],
    ["an answered INVITE", [180, 200], 200],
    ["a refused INVITE", [486], 486],
  ])("%s is answered there", (_what, statuses, status) => {
    const { sent, event, draft } = answers(invited(lost, ...statuses), request("INVITE", 1), next);
    expect(sent).toEqual([{ status, by: "b", branch: "1" }]);
    expect(event).toBeUndefined();
    expect(draft.leg(0)?.servers[0]?.flow).toEqual(next);
  });

  it("is answered there later on", () => {
    const { draft } = answers(invited(lost), request("INVITE", 1), next);
    const later = on(draft.record);
    stepOf(later).command({ type: "reply", txn: `${leg}-s1`, status: 180 });
    expect(later.outgoing.map(({ flow }) => flow)).toEqual([next]);
  });

  it("brings the whole leg along when its client is registered", () => {
    const { draft } = answers(registered(invited(lost)), request("INVITE", 1), next);
    expect(draft.leg(0)?.dialog?.flow).toEqual(next);
    expect(draft.follows).toEqual([{ ...registration, leg, flow: next }]);
  });

  it("follows a registered client to another address, and nobody else", () => {
    const message = request("INVITE", 1);
    expect(answers(registered(invited(lost)), message, elsewhere).sent).toMatchObject([{ by: "b" }]);
    expect(answers(invited(lost), message, elsewhere).sent).toMatchObject([{ by: "a" }]);
  });

  it.each(["BYE", "INFO", "UPDATE"])("a %s gets the answer that it had", (method) => {
    const record = then(invited(lost, 200), method, 2, lost, 200);
    const again = answers(record, request(method, 2, { branch: "2", toTag: leg }), next);
    expect(again.sent).toEqual([{ status: 200, by: "b", branch: "2" }]);
    expect(again.event).toBeUndefined();
  });

  it("over the same connection changes nothing", () => {
    const record = invited(lost, 180);
    const { draft, sent } = answers(record, request("INVITE", 1), lost);
    expect(sent).toEqual([{ status: 180, by: "a", branch: "1" }]);
    expect(draft.changed).toBe(false);
  });
});

describe("a request that is tried anew at another server (RFC 3263 §4.3)", () => {
  const anew = { branch: "9", sentBy: "10.0.0.9:40002" };

  it.each([
    ["an INVITE without an answer", [], 100],
    ["an INVITE that rings", [180], 180],
    ["an answered INVITE", [180, 200], 200],
  ])("%s is answered under its new branch", (_what, statuses, status) => {
    const { sent, event } = answers(invited(lost, ...statuses), request("INVITE", 1, anew), next);
    expect(sent).toEqual([{ status, by: "b", branch: "9" }]);
    expect(event).toBeUndefined();
  });

  it("is answered under it later on, and cancelled by it", () => {
    const { draft } = answers(invited(lost), request("INVITE", 1, anew), next);
    const later = on(draft.record);
    stepOf(later).command({ type: "reply", txn: `${leg}-s1`, status: 180 });
    expect(later.outgoing[0]?.text).toContain("Via: SIP/2.0/TCP 10.0.0.9:40002;branch=z9hG4bK9");
    expect(answers(draft.record, request("CANCEL", 1, anew), next)).toMatchObject({
      event: { type: "cancel" },
      sent: [{ status: 200, branch: "9" }, { status: 487, branch: "9" }],
    }); // prettier-ignore
  });

  it("works over UDP from the same address", () => {
    const { sent } = answers(invited(datagrams, 180), request("INVITE", 1, { branch: "9" }), datagrams);
    expect(sent).toEqual([{ status: 180, by: "10.0.0.9", branch: "9" }]);
  });

  it.each(["BYE", "INFO", "UPDATE"])("a %s gets the answer that it had", (method) => {
    const record = then(invited(lost, 200), method, 2, lost, 200);
    const again = answers(record, request(method, 2, { ...anew, toTag: leg }), next);
    expect(again.sent).toEqual([{ status: 200, by: "b", branch: "9" }]);
    expect(again.event).toBeUndefined();
  });

  it("is taken from another address only over the connection that its client has registered since", () => {
    const record = registered(then(invited(lost, 200), "INFO", 2, lost, 200));
    const message = request("INFO", 2, { ...anew, toTag: leg });
    expect(answers(record, message, elsewhere).sent).toMatchObject([{ status: 500, by: "b" }]);
    const moved = on(record);
    moveLeg(moved, 0, elsewhere);
    expect(answers(moved.record, message, elsewhere).sent).toMatchObject([{ status: 200, branch: "9" }]);
  });

  it("is no other try when another peer sends it, or a proxy brought it", () => {
    const record = then(invited(lost, 200), "INFO", 2, lost, 200);
    const stranger = request("INFO", 2, { ...anew, toTag: leg, fromTag: "stranger" });
    expect(answers(record, stranger, next).sent).toMatchObject([{ status: 481 }]);
    const merged = request("INFO", 2, { ...anew, toTag: leg, under: "SIP/2.0/TCP 10.0.0.5;branch=z9hG4bK5" });
    expect(answers(record, merged, next).sent).toMatchObject([{ status: 500 }]);
  });
});
