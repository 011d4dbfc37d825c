import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { receiveResponse } from "./receive-response.ts";
import { decodeBody, emptyCall, encodeBody, type CallRecord } from "./record.ts";
import { stepOf } from "./step.ts";
import { resendAll } from "./wake.ts";

const call = callIdOf("s", "INVITE", "key");
const leg = legIdOf(call, 1);
const overUdp: Flow = { transport: "udp", host: "192.0.2.9", port: 5060 };
const overTcp: Flow = { ...overUdp, transport: "tcp" };

const draftOn = (record: CallRecord = emptyCall(call), forCluster = false) =>
  new Draft(decodeBody(encodeBody({ record, state: "" })), {
    nowMs: 1_000_000,
    advertised: () => "192.0.2.1:5060",
    forCluster,
  });
const parse = (text: string) => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};

/** The record of a request of ours, as it was committed before the request left. */
function requested(method: string, flow: Flow, forCluster = false): CallRecord {
  const draft = draftOn(emptyCall(call), forCluster);
  stepOf(draft).command({
    type: "request", leg, method, flow, uri: "sip:b@192.0.2.9", from: "<sip:a@h>", to: "<sip:b@h>",
  }); // prettier-ignore
  return draft.record;
}

/** The record after the peer said something to the request. */
function answered(record: CallRecord, status: number): CallRecord {
  const ours = parse(record.legs[1]?.clients.at(-1)?.request ?? "");
  const headers = ["via", "from", "call-id", "cseq"].map((name) => `${name}: ${ours.header(name) ?? ""}\r\n`);
  const text = `SIP/2.0 ${status} X\r\n${headers.join("")}To: ${ours.header("to") ?? ""};tag=b\r\nContact: <sip:b@192.0.2.9>\r\nContent-Length: 0\r\n\r\n`;
  const draft = draftOn(record);
  receiveResponse(draft, { call, leg, number: 1, seq: ours.cseq.seq }, parse(text));
  return draft.record;
}

/** What an instance that takes the call over sends. */
function resent(record: CallRecord): string[] {
  const draft = draftOn(record);
  resendAll(draft);
  return draft.outgoing.map(({ text }) => text);
}

describe("an instance that takes a call over", () => {
  it.each(["INVITE", "BYE", "MESSAGE"])("sends an unanswered %s again, byte for byte", (method) => {
    const record = requested(method, overUdp);
    expect(resent(record)).toEqual([record.legs[1]?.clients[0]?.request]);
  });

  it("leaves a telephone alone that rings: it repeats its answer by itself", () => {
    expect(resent(answered(requested("INVITE", overUdp), 180))).toEqual([]);
  });

  it("asks one that rang over a connection of the dead instance: what it answered there is lost", () => {
    const record = requested("INVITE", overTcp);
    expect(resent(answered(record, 180))).toEqual([record.legs[1]?.clients[0]?.request]);
  });

  it("asks again for what is no INVITE although the peer said 100: nobody repeats its answer unasked", () => {
    const record = requested("MESSAGE", overUdp);
    expect(resent(answered(record, 100))).toEqual([record.legs[1]?.clients[0]?.request]);
  });

  it("sends nothing of what is over", () => {
    expect(resent(answered(requested("MESSAGE", overUdp), 200))).toEqual([]);
  });
});

describe("a request of ours over UDP", () => {
  const viaOf = (record: CallRecord) => parse(record.legs[1]?.clients[0]?.request ?? "").topVia;

  it("wants its answer at the cluster's address, for the port that it left from is gone with its instance", () => {
    expect(viaOf(requested("INVITE", overUdp, true)).rport).toBeUndefined();
  });

  it("wants it where it left from when nobody said what address the cluster has (RFC 3581)", () => {
    expect(viaOf(requested("INVITE", overUdp)).rport).toBe(0);
  });
});
