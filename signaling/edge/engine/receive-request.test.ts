import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { legIdOf, newCallId } from "./ids.ts";
import { receiveRequest } from "./receive-request.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { stepOf } from "./step.ts";

const call = newCallId();
const leg = legIdOf(call, 0);
const peer: Flow = { transport: "udp", host: "10.0.0.9", port: 5_060 };

function request(method: string, seq: number) {
  const to = method === "INVITE" ? "<sip:bob@h>" : `<sip:bob@h>;tag=${leg}`;
  const parsed = parseMessage(
    `${method} sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK${seq}\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=f\r\nTo: ${to}\r\n` +
      `Call-ID: c\r\nCSeq: ${seq} ${method}\r\nContact: <sip:a@10.0.0.9>\r\nContent-Length: 0\r\n\r\n`,
  );
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
}

/** The record after a request, answered if a status is given, and what was sent. */
function after(record: CallRecord, method: string, seq: number, status?: number) {
  const draft = new Draft({ record, state: undefined }, { nowMs: 1_000, advertised: () => "192.0.2.1:5060" });
  receiveRequest(draft, 0, request(method, seq), peer);
  if (status !== undefined) stepOf(draft).command({ type: "reply", txn: `${leg}-s${seq}`, status });
  return { record: draft.record, sent: draft.outgoing.map((message) => message.status) };
}

describe("a peer that asks much within one call", () => {
  const keys = (count: number, status?: number): CallRecord => {
    let { record } = after(emptyCall(call), "INVITE", 1, 200);
    for (let i = 1; i <= count; i++) ({ record } = after(record, "INFO", 1 + i, status));
    return record;
  };

  it("may dial more digits than are remembered: the oldest answer is forgotten", () => {
    const { record, sent } = after(keys(40, 200), "INFO", 50, 200);
    expect(sent).toEqual([200]);
    expect(record.legs[0]?.servers).toHaveLength(16);
    expect(record.legs[0]?.servers.at(-1)?.seq).toBe(50);
  });

  it("is put off while as many are unanswered", () => {
    expect(after(keys(15), "INFO", 50).sent).toEqual([503]);
  });
});
