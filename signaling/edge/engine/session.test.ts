import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import { TIMEOUT } from "#signaling/edge/transaction/timing.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { receiveRequest, settleRequest } from "./receive-request.ts";
import { receiveResponse } from "./receive-response.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { dueAt, nextWake } from "./schedule.ts";
import { stepOf } from "./step.ts";
import { wake } from "./wake.ts";

const call = callIdOf("s", "INVITE", "key");
const [caller, callee] = [legIdOf(call, 0), legIdOf(call, 1)];
const peer: Flow = { transport: "udp", host: "10.0.0.9", port: 5060 };
const START = 1_000_000;
const session = { expiresSeconds: 1_800, minSeSeconds: 90 };

const draftOn = (record: CallRecord, nowMs = START) =>
  new Draft(
    { record: JSON.parse(JSON.stringify(record)) as CallRecord, state: undefined },
    { nowMs, advertised: () => "192.0.2.1:5060", session },
  );
const parse = (text: string) => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const request = (method: string, seq: number, headers = "") =>
  parse(
    `${method} sip:g@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK${method}${seq}\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=f\r\n` +
      `To: <sip:g@h>${seq === 1 ? "" : `;tag=${caller}`}\r\nCall-ID: c\r\nCSeq: ${seq} ${method}\r\nContact: <sip:a@10.0.0.9>\r\n${headers}Content-Length: 0\r\n\r\n`,
  );
const first = (draft: Draft) => parse(draft.outgoing[0]?.text ?? "");

/** A call of the peer that was answered (timed, unless said) and acknowledged. */
function answered(headers: string, timed = true) {
  const draft = draftOn(emptyCall(call));
  receiveRequest(draft, 0, request("INVITE", 1, headers), peer);
  stepOf(draft).command({ type: "reply", txn: `${caller}-s1`, status: 200, ...(timed && { timed: true }) });
  settleRequest(draft);
  const acked = draftOn(draft.record);
  receiveRequest(
    acked,
    0,
    parse(
      request("INVITE", 1)
        .text.replaceAll("INVITE", "ACK")
        .replace("<sip:g@h>\r\n", `<sip:g@h>;tag=${caller}\r\n`),
    ),
    peer,
  );
  return { ok: first(draft), record: acked.record };
}
/** The answer of the peer to what was last sent to it. */
function answer(record: CallRecord, status: number, headers = "", nowMs = START, leg = caller) {
  const number = Number(leg.at(-1));
  const sent = parse(record.legs[number]?.clients.at(-1)?.request ?? "");
  const to = sent.header("to") ?? "";
  const text =
    `SIP/2.0 ${status} X\r\nVia: ${sent.header("via") ?? ""}\r\nFrom: ${sent.header("from") ?? ""}\r\nTo: ${to}${to.includes("tag=") ? "" : ";tag=b"}\r\n` +
    `Call-ID: ${sent.callId}\r\nCSeq: ${sent.header("cseq") ?? ""}\r\nContact: <sip:b@10.0.0.9>\r\n${headers}Content-Length: 0\r\n\r\n`;
  const draft = draftOn(record, nowMs);
  const event = receiveResponse(draft, { call, leg, number, seq: sent.cseq.seq }, parse(text));
  return { draft, record: draft.record, event };
}
const at = (record: CallRecord, ms: number) => {
  const draft = draftOn(record, START + ms);
  return { draft, woken: wake(draft, START + ms - 1) };
};
const HALF = 900_000;

describe("a session that the peer began (RFC 4028)", () => {
  it("has its terms in the 2xx for a peer that knows them, and not for another", () => {
    const { ok } = answered("Supported: timer\r\nSession-Expires: 600\r\n");
    expect([ok.header("session-expires"), ok.header("require")]).toEqual(["600;refresher=uac", "timer"]);
    expect(answered("").ok.header("session-expires")).toBeUndefined();
  });

  it("costs a call that nobody times nothing", () => {
    const { record } = answered("Supported: timer\r\nSession-Expires: 600\r\n", false);
    expect(record.legs[0]?.session).toBeUndefined();
    expect(nextWake(record, START)).toBeUndefined();
  });

  it("asked for too shortly is refused 422 with Min-SE (§9)", () => {
    const draft = draftOn(emptyCall(call));
    expect(
      receiveRequest(draft, 0, request("INVITE", 1, "Supported: timer\r\nSession-Expires: 60\r\n"), peer),
    ).toBeUndefined();
    expect([first(draft).status, first(draft).header("min-se")]).toEqual([422, "90"]);
    expect(draft.changed).toBe(false);
  });

  it("that the peer does not refresh is ended with a BYE, whichever instance is left (§10)", () => {
    const { record } = answered("Supported: timer\r\nSession-Expires: 600\r\n");
    expect(dueAt(record, START)).toBe(START + 568_000);
    const { draft, woken } = at(record, 568_000);
    expect(woken).toEqual({ event: { type: "session-expired", leg: caller } });
    expect(draft.outgoing.map(({ method }) => method)).toEqual(["BYE"]);
  });

  it("lives on when the peer refreshes, by UPDATE or re-INVITE, and says so again", () => {
    const { record } = answered("Supported: timer\r\nSession-Expires: 600\r\n");
    for (const method of ["UPDATE", "INVITE"]) {
      const draft = draftOn(record, START + 300_000);
      receiveRequest(
        draft,
        0,
        request(method, 2, "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n"),
        peer,
      );
      stepOf(draft).command({ type: "reply", txn: `${caller}-s2`, status: 200 });
      expect(first(draft).header("session-expires")).toBe("600;refresher=uac");
      expect(draft.record.legs[0]?.session?.at).toBe(START + 300_000);
    }
  });
});

describe("a peer that knows nothing of session timers", () => {
  it("is asked for a sign of life half way: by UPDATE where it takes it, else by OPTIONS", () => {
    expect(
      at(answered("Allow: INVITE, UPDATE\r\n").record, HALF).draft.outgoing.map(({ method }) => method),
    ).toEqual(["UPDATE"]);
    expect(at(answered("").record, HALF).draft.outgoing.map(({ method }) => method)).toEqual(["OPTIONS"]);
    expect(at(answered("").record, HALF - 1).draft.outgoing).toEqual([]);
  });

  it.each([200, 405, 501, 500])("that answers %i is there", (status) => {
    const asked = at(answered("").record, HALF).draft.record;
    const { record, event } = answer(asked, status, "", START + HALF);
    expect(event).toBeUndefined();
    expect(record.legs[0]?.session?.at).toBe(START + HALF);
  });

  it.each([481, 408])("that answers %i is gone (§10)", (status) => {
    const asked = at(answered("").record, HALF).draft.record;
    const { draft, event } = answer(asked, status, "", START + HALF);
    expect(event).toEqual({ type: "session-expired", leg: caller });
    expect(draft.outgoing.map(({ method }) => method)).toEqual(["BYE"]);
  });

  it("that answers nothing is gone after 64*T1, told by whoever took the call over", () => {
    const asked = at(answered("").record, HALF).draft.record;
    const { draft, woken } = at(asked, HALF + TIMEOUT);
    expect(woken).toEqual({ event: { type: "session-expired", leg: caller } });
    expect(draft.outgoing.map(({ method }) => method)).toEqual(["BYE"]);
  });
});

describe("a session that we began", () => {
  function inviting(timed = true) {
    const draft = draftOn(emptyCall(call));
    stepOf(draft).command({
      type: "request", leg: callee, method: "INVITE", uri: "sip:b@10.0.0.9", from: "<sip:a@h>", to: "<sip:b@h>", flow: peer, ...(timed && { timed: true }),
    }); // prettier-ignore
    return draft;
  }

  it("asks the callee to refresh it", () => {
    expect(first(inviting()).header("session-expires")).toBe("1800;refresher=uas");
    expect(first(inviting()).supports("timer")).toBe(true);
    expect(first(inviting(false)).header("session-expires")).toBeUndefined();
  });

  it("is the callee's to refresh when it agrees, and ours when it says nothing", () => {
    const agreed = answer(
      inviting().record,
      200,
      "Require: timer\r\nSession-Expires: 900;refresher=uas\r\n",
      START,
      callee,
    ).record;
    expect(agreed.legs[1]?.session).toEqual({ s: 900, by: "them", timer: true, at: START });
    const silent = answer(inviting().record, 200, "Allow: INVITE, UPDATE\r\n", START, callee).record;
    expect(silent.legs[1]?.session).toEqual({ s: 1_800, by: "us", update: true, at: START });
  });

  it("that is ours to refresh names who does in the UPDATE, and takes a longer interval when it must (422)", () => {
    const ours = answer(
      inviting().record,
      200,
      "Session-Expires: 1800;refresher=uac\r\nAllow: UPDATE\r\n",
      START,
      callee,
    ).record;
    const { draft } = at(ours, HALF);
    expect([first(draft).method, first(draft).header("session-expires")]).toEqual([
      "UPDATE",
      "1800;refresher=uac",
    ]);
    const refused = answer(draft.record, 422, "Min-SE: 3600\r\n", START + HALF, callee).record;
    expect(refused.legs[1]?.session).toMatchObject({ s: 3_600, min: 3_600, at: START });
    const again = first(at(refused, HALF).draft);
    expect([again.header("session-expires"), again.header("min-se")]).toEqual(["3600;refresher=uac", "3600"]);
  });
});
