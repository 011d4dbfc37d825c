import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { TIMEOUT } from "#signaling/edge/transaction/timing.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { receiveRequest } from "./receive-request.ts";
import { receiveResponse } from "./receive-response.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { dueAt, nextWake } from "./schedule.ts";
import { stepOf } from "./step.ts";
import { resendAll, wake } from "./wake.ts";

const call = callIdOf("s", "INVITE", "key");
const leg = legIdOf(call, 1);
const peer: Flow = { transport: "udp", host: "10.0.0.9", port: 5060 };
const START = 1_000_000;
const HALF = 900_000;
const END = 1_768_000;
const SDP = "v=0\r\no=- 7 3 IN IP4 192.0.2.7\r\n";
const AGREED = "Session-Expires: 1800;refresher=uac\r\n";

const draftOn = (record: CallRecord, ms = 0) =>
  new Draft(
    { record: JSON.parse(JSON.stringify(record)) as CallRecord, state: undefined },
    {
      nowMs: START + ms,
      advertised: () => "192.0.2.1:5060",
      session: { expiresSeconds: 1_800, minSeSeconds: 90 },
    },
  );
const parse = (text = ""): SipMessage => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const shown = (draft: Draft) => draft.outgoing.map(({ method }) => method);
const sessionOf = (record: CallRecord) => record.legs[1]?.session;

function inviting(body: string | undefined = SDP): CallRecord {
  const draft = draftOn(emptyCall(call));
  const content = body === "" ? {} : { body, contentType: "application/sdp" };
  stepOf(draft).command({
    type: "request", leg, method: "INVITE", uri: "sip:b@10.0.0.9", from: "<sip:a@h>", to: "<sip:b@h>", flow: peer, timed: true, ...content,
  }); // prettier-ignore
  return draft.record;
}
/** The peer's answer to the latest request of a method. */
function answer(record: CallRecord, status: number, headers = "", ms = 0) {
  const txn = record.legs[1]?.clients.at(-1);
  const sent = parse(txn?.request);
  const to = sent.header("to") ?? "";
  const text =
    `SIP/2.0 ${status} X\r\nVia: ${sent.header("via") ?? ""}\r\nFrom: ${sent.header("from") ?? ""}\r\nTo: ${to}${to.includes("tag=") ? "" : ";tag=b"}\r\n` +
    `Call-ID: ${sent.callId}\r\nCSeq: ${sent.header("cseq") ?? ""}\r\nContact: <sip:b@10.0.0.9>\r\n${headers}Content-Length: 0\r\n\r\n`;
  const draft = draftOn(record, ms);
  const event = receiveResponse(draft, { call, leg, number: 1, seq: sent.cseq.seq }, parse(text));
  return { draft, record: draft.record, event };
}
function at(record: CallRecord, ms: number) {
  const draft = draftOn(record, ms);
  return { draft, woken: wake(draft, START + ms - 1) };
}
/** Answered and acknowledged. */
function talking(headers = AGREED, body?: string, ackBody?: string): CallRecord {
  const { draft } = answer(inviting(body), 200, headers);
  const content = ackBody === undefined ? {} : { body: ackBody, contentType: "application/sdp" };
  stepOf(draft).command({ type: "ack", leg, ...content });
  return draft.record;
}
/** What was over is forgotten by then. */
const refreshing = () => at(talking(), HALF).draft;

describe("a session that is ours to refresh, with a peer that does not list UPDATE (RFC 4028 §7.4)", () => {
  it("is refreshed by a re-INVITE with the description that stands, to the letter", () => {
    const invite = parse(refreshing().outgoing.at(-1)?.text);
    expect([invite.method, invite.body, invite.header("session-expires"), invite.to.tag]).toEqual([
      "INVITE",
      SDP,
      "1800;refresher=uac",
      "b",
    ]);
  });

  it("offers the answer that our ACK gave when the peer made the offer", () => {
    const { draft } = at(talking(AGREED, "", "v=0\r\nanswer"), HALF);
    expect(parse(draft.outgoing.at(-1)?.text).body).toBe("v=0\r\nanswer");
  });

  it("keeps no description where none is to be repeated: the peer refreshes, takes UPDATE, or knows no timers", () => {
    expect(sessionOf(talking())?.sdp).toBe(SDP);
    for (const terms of ["Session-Expires: 1800;refresher=uas\r\n", `${AGREED}Allow: UPDATE\r\n`, ""])
      expect(sessionOf(talking(terms))?.sdp).toBeUndefined();
  });

  it("stands again with the 200, which is acknowledged and told nobody", () => {
    const { draft, record, event } = answer(refreshing().record, 200, AGREED, HALF + 10);
    expect([event, shown(draft)]).toEqual([undefined, ["ACK"]]);
    expect(sessionOf(record)).toEqual({ s: 1_800, by: "us", timer: true, at: START + HALF + 10, sdp: SDP });
    const next = at(record, HALF + 10 + HALF);
    expect(parse(next.draft.outgoing.at(-1)?.text).body).toBe(SDP);
  });

  it("is sent again byte for byte by whoever takes the call over", () => {
    const sent = refreshing();
    expect(dueAt(sent.record, START + HALF)).toBe(START + HALF);
    const survivor = draftOn(sent.record, HALF + 3_000);
    resendAll(survivor);
    expect(survivor.outgoing.map(({ text }) => text)).toContain(sent.outgoing.at(-1)?.text);
  });

  it("waits and tries again after 491, within what RFC 3261 §14.1 gives the owner of the Call-ID", () => {
    const { record, event, draft } = answer(refreshing().record, 491, "", HALF);
    expect([event, shown(draft)]).toEqual([undefined, ["ACK"]]);
    const wait = (sessionOf(record)?.again ?? 0) - START - HALF;
    expect(wait).toBeGreaterThanOrEqual(2_100);
    expect(wait).toBeLessThanOrEqual(4_000);
    expect(nextWake(record, START + HALF)).toBeLessThanOrEqual(START + HALF + wait);
    expect(shown(at(record, HALF + wait).draft)).toContain("INVITE");
  });

  it("tries again a few times after 5xx, and hangs up when the interval is over (§10)", () => {
    let record = refreshing().record;
    let ms = HALF;
    let tries = 0;
    for (; tries < 20; tries++) {
      ({ record } = answer(record, 500, "", ms));
      ms = Math.max(ms + 1, (dueAt(record, START + ms) ?? 0) - START);
      const { draft, woken } = at(record, ms);
      record = draft.record;
      if (woken) {
        expect([woken, ms]).toEqual([{ event: { type: "session-expired", leg } }, END]);
        expect(shown(draft)).toEqual(["BYE"]);
        break;
      }
    }
    expect(tries).toBeLessThan(5);
  });

  it.each([408, 481])("hangs up after %i", (status) => {
    const { draft, event } = answer(refreshing().record, status, "", HALF);
    expect(event).toEqual({ type: "session-expired", leg });
    expect(shown(draft)).toEqual(["ACK", "BYE"]);
  });

  it("hangs up when nothing answers, and when it rings until the interval is over", () => {
    const silent = at(refreshing().record, HALF + TIMEOUT);
    expect([silent.woken, shown(silent.draft).at(-1)]).toEqual([
      { event: { type: "session-expired", leg } },
      "BYE",
    ]);
    const ringing = answer(refreshing().record, 180, "", HALF).record;
    const late = at(ringing, END);
    expect([late.woken, shown(late.draft)]).toEqual([
      { event: { type: "session-expired", leg } },
      ["CANCEL", "BYE"],
    ]);
  });

  it("has a re-INVITE of call control wait, told as 491", () => {
    const draft = draftOn(refreshing().record, HALF + 5);
    stepOf(draft).command({ type: "in-dialog", leg, method: "INVITE", body: "v=0\r\nhold" });
    expect(shown(draft)).toEqual([]);
    expect(draft.followUps).toMatchObject([
      { type: "response", leg, method: "INVITE", status: 491, local: true },
    ]);
  });
});

describe("media in the answer to a refresh (RFC 3264 §8)", () => {
  /** The peer's 200, with a session description. */
  const describing = (record: CallRecord, port: number, ms = 0) => {
    const body = `v=0\r\nm=audio ${port} RTP/AVP 0\r\n`;
    const sent = parse(record.legs[1]?.clients.at(-1)?.request);
    const to = sent.header("to") ?? "";
    const text =
      `SIP/2.0 200 OK\r\nVia: ${sent.header("via") ?? ""}\r\nFrom: ${sent.header("from") ?? ""}\r\nTo: ${to}${to.includes("tag=") ? "" : ";tag=b"}\r\n` +
      `Call-ID: ${sent.callId}\r\nCSeq: ${sent.header("cseq") ?? ""}\r\n${AGREED}Contact: <sip:b@10.0.0.9>\r\nContent-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const draft = draftOn(record, ms);
    const event = receiveResponse(draft, { call, leg, number: 1, seq: sent.cseq.seq }, parse(text));
    return { draft, event };
  };
  /** Answered with media at port 4000, and being refreshed. */
  const described = (): CallRecord => {
    const { draft } = describing(inviting(), 4_000);
    stepOf(draft).command({ type: "ack", leg });
    return at(draft.record, HALF).draft.record;
  };

  it("is told when it is elsewhere, with what the refresh had offered", () => {
    const { event, draft } = describing(described(), 4_002, HALF);
    expect(event).toMatchObject({ type: "media-moved", leg, stood: SDP });
    expect(event?.type === "media-moved" && event.message.body).toContain("4002");
    expect(shown(draft)).toEqual(["ACK"]);
  });

  it("is not told where it was, nor when nobody knows where that is", () => {
    expect(describing(described(), 4_000, HALF).event).toBeUndefined();
    expect(describing(refreshing().record, 4_002, HALF).event).toBeUndefined();
  });

  it("is compared with what the peer said last, in an offer of its own too", () => {
    const record = described();
    const draft = draftOn(record, HALF);
    const { dialog } = draft.leg(1) ?? {};
    const body = "v=0\r\nm=audio 4002 RTP/AVP 0\r\n";
    const update =
      `UPDATE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKu\r\nMax-Forwards: 70\r\nFrom: <sip:b@h>;tag=b\r\nTo: <sip:a@h>;tag=${leg}\r\n` +
      `Call-ID: ${dialog?.callId ?? ""}\r\nCSeq: 1 UPDATE\r\nContact: <sip:b@10.0.0.9>\r\nContent-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    receiveRequest(draft, 1, parse(update), peer);
    expect(describing(draft.record, 4_002, HALF).event).toBeUndefined();
    expect(describing(draft.record, 4_000, HALF).event).toMatchObject({ type: "media-moved" });
  });
});

describe("an INVITE that the callee finds too short (422, RFC 4028 §7.3)", () => {
  const refused = () => answer(inviting(), 422, "Min-SE: 3600\r\n");

  it("is sent once more with its interval, as the same request to call control", () => {
    const { draft, event, record } = refused();
    expect([event, shown(draft)]).toEqual([undefined, ["ACK", "INVITE"]]);
    const again = parse(draft.outgoing.at(-1)?.text);
    expect(again.headers("session-expires")).toEqual(["3600;refresher=uas"]);
    expect([again.header("min-se"), again.cseq.seq, again.body]).toEqual(["3600", 2, SDP]);
    const ok = answer(record, 200, "Session-Expires: 3600;refresher=uas\r\n");
    expect(ok.event).toMatchObject({ type: "response", txn: `${leg}-c1`, status: 200 });
    expect(sessionOf(ok.record)).toMatchObject({ s: 3_600, by: "them", min: 3_600 });
  });

  it("is told when it is refused again, asks for nothing, or for more than a day", () => {
    const twice = answer(refused().record, 422, "Min-SE: 7200\r\n");
    expect([twice.event, shown(twice.draft)]).toMatchObject([{ status: 422 }, ["ACK"]]);
    for (const headers of ["", "Min-SE: 100000\r\n", "Min-SE: 600\r\n"])
      expect(answer(inviting(), 422, headers).event).toMatchObject({ status: 422 });
  });

  it("is not sent again when the caller has given up", () => {
    const draft = draftOn(answer(inviting(), 180).record);
    stepOf(draft).command({ type: "cancel", leg });
    const late = answer(draft.record, 422, "Min-SE: 3600\r\n");
    expect([late.event, shown(late.draft)]).toMatchObject([{ status: 422 }, ["ACK"]]);
  });
});
