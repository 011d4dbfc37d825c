import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import { TIMEOUT } from "#signaling/edge/transaction/timing.ts";
import type { Flow, SipCommand } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { receiveRequest, settleRequest } from "./receive-request.ts";
import { receiveResponse } from "./receive-response.ts";
import { decodeBody, emptyCall, encodeBody, type CallRecord } from "./record.ts";
import { nextWake } from "./schedule.ts";
import { stepOf } from "./step.ts";
import { resendAll, wake } from "./wake.ts";

const call = callIdOf("s", "INVITE", "key");
const [caller, callee] = [legIdOf(call, 0), legIdOf(call, 1)];
const peer: Flow = { transport: "udp", host: "10.0.0.9", port: 5060 };
const START = 1_000_000;
const sdp = { body: "v=0\r\n", contentType: "application/sdp" } as const;

/** The record as another instance reads it. */
const stored = (record: CallRecord): CallRecord => decodeBody(encodeBody({ record, state: "" })).record;
const draftOn = (record: CallRecord = emptyCall(call), nowMs = START) =>
  new Draft({ record: stored(record), state: "" }, { nowMs, advertised: () => "192.0.2.1:5060" });
const parse = (text: string) => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const request = (method: string, seq: number, headers = "", tagged = method !== "INVITE", fromTag = "f") =>
  parse(
    `${method} sip:g@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK${method}${seq}\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=${fromTag}\r\n` +
      `To: <sip:g@h>${tagged ? `;tag=${caller}` : ""}\r\nCall-ID: c\r\nCSeq: ${seq} ${method}\r\nContact: <sip:a@10.0.0.9>\r\n${headers}Content-Length: 0\r\n\r\n`,
  );

/** What was sent: status or method of each, with its RSeq. */
const sent = (draft: Draft) =>
  draft.outgoing.map(({ status, method, text }) => {
    const rseq = parse(text).header("rseq");
    return `${status === 0 ? method : status}${rseq === undefined ? "" : " reliably"}${method === "INVITE" || status === 0 ? "" : ` ${method}`}`;
  });

/** A record whose caller sent an INVITE with these headers, after these replies. */
function invited(
  headers: string,
  ...replies: Omit<Extract<SipCommand, { type: "reply" }>, "type" | "txn">[]
): Draft {
  const draft = draftOn();
  receiveRequest(draft, 0, request("INVITE", 1, headers), peer);
  for (const one of replies) stepOf(draft).command({ type: "reply", txn: `${caller}-s1`, ...one });
  settleRequest(draft);
  return draft;
}
const SUPPORTED = "Supported: timer, 100rel\r\n";
const early = { status: 183, reliable: true, ...sdp };

/** A PRACK of `rseq` on a record; call control answers 200 when it is told. */
function prack(record: CallRecord, rack: string, seq = 2) {
  const draft = draftOn(record, START + 100);
  const event = receiveRequest(draft, 0, request("PRACK", seq, `RAck: ${rack}\r\n`), peer);
  if (event?.type === "request") stepOf(draft).command({ type: "reply", txn: event.txn, status: 200 });
  settleRequest(draft);
  return { draft, told: event?.type };
}
const rseqOf = (draft: Draft) => parse(draft.outgoing.at(-1)?.text ?? "").header("rseq") ?? "";

describe("our reliable provisional responses (RFC 3262 §3)", () => {
  it.each([
    ["is reliable for a caller that supports it", SUPPORTED, early, "183 reliably"],
    ["is plain for a caller that does not", "", early, "183"],
    ["is plain when call control does not ask", SUPPORTED, { status: 180 }, "180"],
    [
      "is reliable for a caller that requires it, asked or not",
      "Require: 100rel\r\n",
      { status: 180 },
      "180 reliably",
    ],
    ["is never reliable as 100", "Require: 100rel\r\n", { status: 100 }, "100"],
    [
      "is reliable when an application says so by header",
      SUPPORTED,
      { status: 180, headers: [["Require", "100rel"]] as const },
      "180 reliably",
    ],
  ])("%s", (_title, headers, reply, expected) => {
    expect(sent(invited(headers, reply))).toEqual([expected]);
  });

  it("carry Require and RSeq once, and a To-tag", () => {
    const [message] = invited(SUPPORTED, early).outgoing.map(({ text }) => parse(text));
    expect(message?.headers("require")).toEqual(["100rel"]);
    expect(message?.headers("rseq")).toHaveLength(1);
    expect(message?.to.tag).toBe(caller);
  });

  it("come again, byte for byte, from whatever instance, until the PRACK", () => {
    const draft = invited(SUPPORTED, early);
    const { record } = draft;
    expect(nextWake(record, START)).toBe(START + 500);
    const survivor = draftOn(record, START + 500);
    wake(survivor, START + 499);
    expect(survivor.outgoing.map(({ text }) => text)).toEqual([draft.outgoing[0]?.text]);
    const adopted = draftOn(record, START + 600);
    resendAll(adopted);
    expect(adopted.outgoing.map(({ text }) => text)).toEqual([draft.outgoing[0]?.text]);
    const after = prack(record, `${rseqOf(draft)} 1 INVITE`).draft.record;
    expect(nextWake(after, START + 100)).toBeUndefined();
  });

  it("are acknowledged by a PRACK that any instance takes, and told to call control", () => {
    const draft = invited(SUPPORTED, early);
    const { draft: after, told } = prack(draft.record, `${rseqOf(draft)} 1 INVITE`);
    expect(told).toBe("request");
    expect(sent(after)).toEqual(["200 PRACK"]);
  });

  it.each([
    ["another RSeq", "1 1 INVITE", "481 PRACK"],
    ["another CSeq", (rseq: string) => `${rseq} 9 INVITE`, "481 PRACK"],
    ["another method", (rseq: string) => `${rseq} 1 SUBSCRIBE`, "481 PRACK"],
    ["no RAck that can be read", "x", "400 PRACK"],
  ])("refuse a PRACK with %s", (_title, rack, expected) => {
    const draft = invited(SUPPORTED, early);
    const given = typeof rack === "string" ? rack : rack(rseqOf(draft));
    const { draft: after, told } = prack(draft.record, given);
    expect(told).toBeUndefined();
    expect(sent(after)).toEqual([expected]);
  });

  it("answer a PRACK that comes twice alike, and refuse a second one for the same response", () => {
    const draft = invited(SUPPORTED, early);
    const rack = `${rseqOf(draft)} 1 INVITE`;
    const { record } = prack(draft.record, rack).draft;
    expect(sent(prack(record, rack).draft)).toEqual(["200 PRACK"]);
    expect(prack(record, rack).told).toBeUndefined();
    expect(sent(prack(record, rack, 3).draft)).toEqual(["481 PRACK"]);
  });

  it("go out one at a time, numbered one by one, and hold back a 2xx behind a session description", () => {
    const first = invited(SUPPORTED, early, { status: 180, reliable: true }, { status: 200 });
    expect(sent(first)).toEqual(["183 reliably"]);
    const rseq = Number(rseqOf(first));
    const second = prack(first.record, `${rseq} 1 INVITE`).draft;
    // The 180 has no session description: the 2xx need not wait for its PRACK.
    expect(sent(second)).toEqual(["200 PRACK", "180 reliably", "200"]);
    expect(parse(second.outgoing[1]?.text ?? "").header("rseq")).toBe(String(rseq + 1));
    const third = prack(second.record, `${rseq + 1} 1 INVITE`, 3);
    expect(sent(third.draft)).toEqual(["200 PRACK"]);
  });

  it("let a failure pass at once", () => {
    expect(sent(invited(SUPPORTED, early, { status: 486 }))).toEqual(["183 reliably", "486"]);
  });

  it("take the PRACK of a response whose call was answered and acknowledged meanwhile", () => {
    const draft = invited(SUPPORTED, { status: 180, reliable: true }, { status: 200 });
    const acked = draftOn(draft.record);
    receiveRequest(acked, 0, request("ACK", 1), peer);
    const rseq = parse(draft.outgoing[0]?.text ?? "").header("rseq") ?? "";
    expect(sent(prack(acked.record, `${rseq} 1 INVITE`).draft)).toEqual(["200 PRACK"]);
  });

  it("refuse the INVITE with 504 when no PRACK comes in 64*T1, and say so", () => {
    const draft = draftOn(invited(SUPPORTED, early, { status: 200 }).record, START + TIMEOUT);
    expect(wake(draft, START + TIMEOUT - 1)).toEqual({
      event: { type: "prack-timeout", leg: caller, txn: `${caller}-s1` },
    });
    expect(sent(draft)).toEqual(["504"]);
    expect(draft.record.legs[0]?.dialog?.state).toBe("ended");
  });
});

/** A record after our INVITE to the callee. */
function inviting(): CallRecord {
  const draft = draftOn();
  stepOf(draft).command({
    type: "request", leg: callee, method: "INVITE", uri: "sip:b@10.0.0.9", from: "<sip:a@h>", to: "<sip:b@h>", flow: peer, headers: [["Supported", "100rel"]],
  }); // prettier-ignore
  return draft.record;
}
const response = (status: number, tag: string, headers = "", seq = 1, method = "INVITE") =>
  parse(
    `SIP/2.0 ${status} X\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK${callee}-${seq};rport\r\nFrom: <sip:a@h>;tag=${callee}\r\nTo: <sip:b@h>;tag=${tag}\r\n` +
      `Call-ID: ${callee}\r\nCSeq: ${seq} ${method}\r\nContact: <sip:${tag}@10.0.0.9>\r\nRecord-Route: <sip:${tag}.proxy;lr>\r\n${headers}Content-Length: 0\r\n\r\n`,
  );
const reliable = (rseq: number) => `Require: 100rel\r\nRSeq: ${rseq}\r\n`;
function got(record: CallRecord, message: ReturnType<typeof parse>) {
  const draft = draftOn(record);
  const event = receiveResponse(draft, { call, leg: callee, number: 1, seq: message.cseq.seq }, message);
  return { draft, record: draft.record, event };
}

describe("reliable provisional responses to our INVITE (RFC 3262 §4)", () => {
  it("are told with what their PRACK names", () => {
    expect(got(inviting(), response(183, "t", reliable(5))).event).toMatchObject({
      status: 183,
      rack: "5 1 INVITE",
    });
    expect(got(inviting(), response(183, "t", "RSeq: 5\r\n")).event).not.toHaveProperty("rack");
  });

  it("are told once and in order; what comes early is left to its retransmission", () => {
    const { record } = got(inviting(), response(183, "t", reliable(5)));
    expect(got(record, response(183, "t", reliable(5))).event).toBeUndefined();
    expect(got(record, response(180, "t", reliable(7))).event).toBeUndefined();
    expect(got(record, response(180, "t", reliable(4))).event).toBeUndefined();
    expect(got(record, response(180, "t", reliable(6))).event).toMatchObject({
      status: 180,
      rack: "6 1 INVITE",
    });
  });

  it("are acknowledged in their dialog, once, and again byte for byte by a survivor", () => {
    const draft = draftOn(got(inviting(), response(183, "t", reliable(5))).record);
    stepOf(draft).command({ type: "prack", leg: callee, rack: "5 1 INVITE", early: "t", ...sdp });
    const lookup = draft.lookups[0];
    lookup?.write(peer);
    const [sentPrack] = draft.outgoing.map(({ text }) => parse(text));
    expect(sentPrack).toMatchObject({
      method: "PRACK",
      uri: "sip:t@10.0.0.9",
      cseq: { seq: 2, method: "PRACK" },
      body: "v=0\r\n",
    });
    expect(sentPrack?.header("rack")).toBe("5 1 INVITE");
    expect(sentPrack?.header("route")).toBe("<sip:t.proxy;lr>");
    expect(sentPrack?.to.tag).toBe("t");
    const again = draftOn(draft.record);
    stepOf(again).command({ type: "prack", leg: callee, rack: "5 1 INVITE", early: "t" });
    expect(again.outgoing.map(({ text }) => text)).toEqual([sentPrack?.text]);
    const survivor = draftOn(draft.record);
    resendAll(survivor);
    expect(survivor.outgoing.map(({ text }) => text)).toContain(sentPrack?.text);
  });

  it("of several forks each have numbers and a dialog of their own, until one is answered (RFC 3261 §12.1.2)", () => {
    const first = got(inviting(), response(183, "one", reliable(5))).record;
    const second = got(first, response(183, "two", reliable(900)));
    expect(second.event).toMatchObject({ rack: "900 1 INVITE" });
    expect(got(second.record, response(180, "one", reliable(6))).event).toMatchObject({ rack: "6 1 INVITE" });
    const draft = draftOn(second.record);
    stepOf(draft).command({ type: "prack", leg: callee, rack: "5 1 INVITE", early: "one" });
    stepOf(draft).command({ type: "prack", leg: callee, rack: "900 1 INVITE", early: "two" });
    for (const lookup of draft.lookups) lookup.write(peer);
    expect(draft.outgoing.map(({ text }) => [parse(text).to.tag, parse(text).cseq.seq])).toEqual([["one", 2], ["two", 3]]); // prettier-ignore
    const answered = got(draft.record, response(200, "one"));
    expect(answered.record.legs[1]?.dialog).toMatchObject({
      state: "confirmed",
      remoteTag: "one",
      localSeq: 3,
      target: "sip:one@10.0.0.9",
    });
    expect(answered.record.legs[1]?.forks).toBeUndefined();
  });

  it("let a request of another early dialog than the latest in", () => {
    const first = got(inviting(), response(183, "one")).record;
    const { record } = got(first, response(183, "two"));
    const update = (tag: string) => {
      const text = request("UPDATE", 1, "", true, tag)
        .text.replace(`tag=${caller}`, `tag=${callee}`)
        .replace("Call-ID: c", `Call-ID: ${callee}`);
      return receiveRequest(draftOn(record), 1, parse(text), peer)?.type;
    };
    expect([update("one"), update("two"), update("three")]).toEqual(["request", "request", undefined]);
  });
});
