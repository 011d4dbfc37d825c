import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { receiveRequest, settleRequest } from "./receive-request.ts";
import { receiveResponse } from "./receive-response.ts";
import { decodeBody, emptyCall, encodeBody, type CallRecord } from "./record.ts";
import { nextWake } from "./schedule.ts";
import { stepOf } from "./step.ts";

const call = callIdOf("s", "INVITE", "key");
const leg = legIdOf(call, 0);
const peer: Flow = { transport: "udp", host: "10.0.0.9", port: 5060 };
const START = 1_000_000;

const draftOn = (record: CallRecord) =>
  new Draft(decodeBody(encodeBody({ record, state: "" })), {
    nowMs: START,
    advertised: () => "192.0.2.1:5060",
  });
const parse = (text: string) => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const request = (method: string, seq: number, { tagged = true, branch = `${method}${seq}` } = {}) =>
  parse(
    `${method} sip:g@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK${branch}\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=f\r\n` +
      `To: <sip:g@h>${tagged ? `;tag=${leg}` : ""}\r\nCall-ID: c\r\nCSeq: ${seq} ${method}\r\nContact: <sip:a@10.0.0.9>\r\nContent-Length: 0\r\n\r\n`,
  );
const invite = request("INVITE", 1, { tagged: false });
const cancel = request("CANCEL", 1, { tagged: false, branch: "INVITE1" });

/** Takes a request on a record; `status` is call control's answer when it is told. */
function take(record: CallRecord, message: ReturnType<typeof parse>, status?: number) {
  const draft = draftOn(record);
  const event = receiveRequest(draft, 0, message, peer);
  if (event?.type === "request" && status !== undefined)
    stepOf(draft).command({ type: "reply", txn: event.txn, status });
  settleRequest(draft);
  const sent = draft.outgoing.map(({ status: code, method }) => `${code === 0 ? "" : `${code} `}${method}`);
  return { record: draft.record, sent, told: event?.type };
}
/** The record after a command of ours in the dialog. */
function say(record: CallRecord, method: string): CallRecord {
  const draft = draftOn(record);
  stepOf(draft).command({ type: "in-dialog", leg, method });
  return draft.record;
}

const answered = take(emptyCall(call), invite, 200).record;
const established = take(answered, request("ACK", 1)).record;

describe("races of RFC 5407 §3, as one dialog sees them", () => {
  it("§3.1.1 an INVITE that comes again after the 2xx gets the 2xx again", () => {
    expect(take(answered, invite)).toMatchObject({ sent: ["200 INVITE"], told: undefined });
  });

  it("§3.1.2 a CANCEL after the 2xx is answered 200, and the call stands", () => {
    const { sent, told, record } = take(answered, cancel);
    expect([sent, told]).toEqual([["200 CANCEL"], undefined]);
    expect(record.legs[0]?.dialog?.state).toBe("confirmed");
  });

  it("§3.1.3 a BYE for the early dialog that crosses the 2xx ends the call; the ACK that follows is absorbed", () => {
    const ended = take(answered, request("BYE", 2), 200);
    expect(ended).toMatchObject({ sent: ["200 BYE"], told: "request" });
    expect(take(ended.record, request("ACK", 1)).sent).toEqual([]);
  });

  it("§3.1.4 a re-INVITE that overtakes the ACK goes to call control, and the ACK still ends the first", () => {
    const changed = take(answered, request("INVITE", 2), 200);
    expect(changed).toMatchObject({ sent: ["200 INVITE"], told: "request" });
    const acked = take(changed.record, request("ACK", 1));
    expect(acked.told).toBe("ack");
    expect(take(acked.record, request("ACK", 2)).told).toBe("ack");
  });

  it("§3.1.6 a BYE that overtakes the ACK is answered, and the 2xx comes no more once the ACK is there", () => {
    const { record } = take(answered, request("BYE", 2), 200);
    expect(nextWake(take(record, request("ACK", 1)).record, START)).toBeUndefined();
  });

  it("§3.2.1 a BYE that crosses ours is answered, and told to nobody", () => {
    expect(take(say(established, "BYE"), request("BYE", 2))).toMatchObject({
      sent: ["200 BYE"],
      told: undefined,
    });
  });

  it("§3.2.2 a re-INVITE after our BYE gets 481", () => {
    expect(take(say(established, "BYE"), request("INVITE", 2))).toMatchObject({
      sent: ["481 INVITE"],
      told: undefined,
    });
  });

  it("§3.2.3 the 200 of our re-INVITE after a BYE is told, and can be acknowledged", () => {
    const changing = say(established, "INVITE");
    const { record } = take(changing, request("BYE", 2), 200);
    const ours = parse(record.legs[0]?.clients[0]?.request ?? "");
    const draft = draftOn(record);
    const ok = parse(
      `SIP/2.0 200 OK\r\nVia: ${ours.header("via") ?? ""}\r\nFrom: ${ours.header("from") ?? ""}\r\nTo: ${ours.header("to") ?? ""}\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:a@10.0.0.9>\r\nContent-Length: 0\r\n\r\n`,
    );
    expect(receiveResponse(draft, { call, leg, number: 0, seq: 1 }, ok)).toMatchObject({
      type: "response",
      status: 200,
    });
    stepOf(draft).command({ type: "ack", leg });
    expect(draft.outgoing.map(({ method }) => method)).toEqual(["ACK"]);
  });

  it("§3.2.4 an ACK after our BYE stops the 2xx", () => {
    const { record } = take(say(answered, "BYE"), request("ACK", 1));
    expect(record.legs[0]?.servers).toEqual([]);
  });

  it("§3.3.1 a re-INVITE that crosses ours gets 491", () => {
    expect(take(say(established, "INVITE"), request("INVITE", 2))).toMatchObject({
      sent: ["491 INVITE"],
      told: undefined,
    });
  });

  it("§3.3.2 an UPDATE that crosses our re-INVITE is left to call control, which knows whose offer is open", () => {
    expect(take(say(established, "INVITE"), request("UPDATE", 2), 491)).toMatchObject({
      sent: ["491 UPDATE"],
      told: "request",
    });
  });

  it("§3.3.3 a REFER after our BYE gets 481", () => {
    expect(take(say(established, "BYE"), request("REFER", 2))).toMatchObject({
      sent: ["481 REFER"],
      told: undefined,
    });
  });
});
