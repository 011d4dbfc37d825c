import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import { TIMEOUT } from "#signaling/edge/transaction/timing.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { targetsOf } from "./failover.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { receiveResponse } from "./receive-response.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { stepOf } from "./step.ts";
import { transportFailed, wake } from "./wake.ts";

const call = callIdOf("s", "INVITE", "key");
const leg = legIdOf(call, 1);
const START = 1_000_000;
const at = (host: string, transport: Flow["transport"] = "udp"): Flow => ({ transport, host, port: 5060 });

const draftOn = (record: CallRecord = emptyCall(call), nowMs = START) =>
  new Draft(
    { record: JSON.parse(JSON.stringify(record)) as CallRecord, state: undefined },
    { nowMs, advertised: () => "192.0.2.1:5060" },
  );
const parse = (text: string) => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
/** Our request to a name with these targets. */
function sent(targets: readonly Flow[], method = "INVITE", uri = "sip:b@carrier.example", body = "v=0\r\n") {
  const draft = draftOn();
  const content = { body, contentType: "application/sdp", headers: [["X-Kept", "yes"]] as const };
  stepOf(draft).command({
    type: "request",
    leg,
    method,
    uri,
    from: "<sip:a@h>",
    to: "<sip:b@h>",
    ...content,
  });
  const [first, ...others] = targets;
  if (first) draft.lookups[0]?.write(first, others);
  return draft;
}
const shown = (draft: Draft) =>
  draft.outgoing.filter(({ method }) => method !== "ACK").map(({ flow, text }) => `${flow.transport} ${flow.host} ${parse(text).cseq.seq}`); // prettier-ignore
function answer(record: CallRecord, status: number) {
  const ours = parse(record.legs[1]?.clients.at(-1)?.request ?? "");
  const text = `SIP/2.0 ${status} X\r\nVia: ${ours.header("via") ?? ""}\r\nFrom: ${ours.header("from") ?? ""}\r\nTo: ${ours.header("to") ?? ""};tag=b\r\nCall-ID: ${ours.callId}\r\nCSeq: ${ours.header("cseq") ?? ""}\r\nContent-Length: 0\r\n\r\n`;
  const draft = draftOn(record);
  const event = receiveResponse(draft, { call, leg, number: 1, seq: ours.cseq.seq }, parse(text));
  return { draft, event };
}

describe("a request whose name has several targets (RFC 3263 §4.3)", () => {
  const two = [at("192.0.2.8"), at("192.0.2.9", "tcp")];

  it.each(["INVITE", "MESSAGE"])("goes to the next after silence: %s", (method) => {
    const draft = draftOn(sent(two, method).record, START + TIMEOUT);
    expect(wake(draft, START + TIMEOUT - 1)).toBeUndefined();
    expect(shown(draft)).toEqual(["tcp 192.0.2.9 2"]);
  });

  it.each(["INVITE", "MESSAGE"])("goes to the next after 503, and no further one is told: %s", (method) => {
    const { draft, event } = answer(sent(two, method).record, 503);
    expect(event).toBeUndefined();
    expect(shown(draft)).toEqual(["tcp 192.0.2.9 2"]);
    const again = parse(draft.outgoing.at(-1)?.text ?? "");
    expect(again.header("via")).toContain("SIP/2.0/TCP");
    expect([again.header("x-kept"), again.body, again.to.tag]).toEqual(["yes", "v=0\r\n", undefined]);
  });

  it("goes to the next when the first cannot be reached", () => {
    const draft = draftOn(sent(two).record);
    expect(transportFailed(draft, 1, `${leg}-c1`)).toBeUndefined();
    expect(shown(draft)).toEqual(["tcp 192.0.2.9 2"]);
  });

  it("is answered under its first id, whichever target answers", () => {
    const { draft } = answer(sent(two).record, 503);
    expect(answer(draft.record, 486).event).toMatchObject({ status: 486, txn: `${leg}-c1` });
  });

  it("fails when the last target has", () => {
    const { draft } = answer(sent(two).record, 503);
    expect(answer(draft.record, 503).event).toMatchObject({ status: 503, txn: `${leg}-c1` });
  });

  it("stays with a target that refuses for any other reason", () => {
    expect(answer(sent(two).record, 486).event).toMatchObject({ status: 486 });
    expect(answer(sent(two).record, 500).event).toMatchObject({ status: 500 });
  });

  it("is not sent on once it has been cancelled", () => {
    const draft = draftOn(sent(two).record);
    stepOf(draft).command({ type: "cancel", leg });
    const late = draftOn(draft.record, START + TIMEOUT);
    expect(wake(late, START + TIMEOUT - 1)).toMatchObject({ event: { status: 408 } });
  });
});

describe("a request longer than a packet of an unknown path (RFC 3261 §18.1.1)", () => {
  const long = "a".repeat(1_300);

  it("goes by TCP, and by UDP when that is refused", () => {
    const first = sent([at("192.0.2.8")], "INVITE", "sip:b@carrier.example", long);
    expect(shown(first)).toEqual(["tcp 192.0.2.8 1"]);
    const draft = draftOn(first.record);
    transportFailed(draft, 1, `${leg}-c1`);
    expect(shown(draft)).toEqual(["udp 192.0.2.8 2"]);
  });

  it("goes by UDP where the URI says so", () => {
    expect(shown(sent([at("192.0.2.8")], "INVITE", "sip:b@carrier.example;transport=udp", long))).toEqual([
      "udp 192.0.2.8 1",
    ]);
  });

  it("tries each target by TCP before UDP", () => {
    const found = targetsOf(at("one"), [at("two", "tls")], 1_301).map(
      ({ transport, host }) => `${transport} ${host}`,
    );
    expect(found).toEqual(["tcp one", "udp one", "tls two"]);
    expect(targetsOf(at("one"), [], 1_300)).toHaveLength(1);
  });
});
