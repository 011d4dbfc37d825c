import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import { TIMEOUT } from "#signaling/edge/transaction/timing.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { receiveRequest, settleRequest } from "./receive-request.ts";
import { receiveResponse } from "./receive-response.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { dueAt, hasDialog, isUnstable, nextWake, TOMBSTONE_MS, ttlOf } from "./schedule.ts";
import { stepOf } from "./step.ts";
import { wake } from "./wake.ts";

const call = callIdOf("s", "INVITE", "key");
const peer: Flow = { transport: "udp", host: "10.0.0.9", port: 5060 };
const START = 1_000_000;

const draftAt = (nowMs: number, record: CallRecord = emptyCall(call)) =>
  new Draft({ record, state: undefined }, { nowMs, advertised: () => "192.0.2.1:5060" });
const parse = (text: string) => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const request = (method: string) =>
  parse(
    `${method} sip:g@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=f\r\n` +
      `To: <sip:g@h>\r\nCall-ID: c\r\nCSeq: 1 ${method}\r\nContact: <sip:a@10.0.0.9>\r\nContent-Length: 0\r\n\r\n`,
  );

/** A record after the caller's request and, if given, our answer. */
function received(method: string, status?: number): CallRecord {
  const draft = draftAt(START);
  const event = receiveRequest(draft, 0, request(method), peer);
  if (event?.type === "request" && status !== undefined)
    stepOf(draft).command({ type: "reply", txn: event.txn, status });
  settleRequest(draft);
  return draft.record;
}

/** A record after a request of ours. */
function sent(method: string, patienceMs?: number): CallRecord {
  const draft = draftAt(START);
  const common = {
    type: "request",
    leg: legIdOf(call, 1),
    method,
    uri: "sip:b@10.0.0.9",
    from: "<sip:a@h>",
    to: "<sip:b@h>",
  } as const;
  stepOf(draft).command({ ...common, flow: peer, ...(patienceMs !== undefined && { patienceMs }) });
  return draft.record;
}

describe("what the clock does to a call", () => {
  it.each([
    ["an INVITE of ours", "INVITE"],
    ["another request of ours", "MESSAGE"],
  ])("ends %s with a local 408 after 64*T1", (_what, method) => {
    const draft = draftAt(START + TIMEOUT, sent(method));
    const woken = wake(draft, START + TIMEOUT - 1);
    expect(woken).toMatchObject({ event: { type: "response", status: 408, local: true, method } });
    expect(draft.outgoing).toEqual([]);
    expect(isUnstable(draft.record)).toBe(false);
  });

  it("sends a request again at its times and not between them", () => {
    const record = sent("INVITE");
    expect(nextWake(record, START)).toBe(START + 500);
    const early = draftAt(START + 499, record);
    wake(early, START);
    expect(early.outgoing).toEqual([]);
    const due = draftAt(START + 510, record);
    wake(due, START + 499);
    expect(due.outgoing.map(({ method, retransmission }) => [method, retransmission])).toEqual([
      ["INVITE", true],
    ]);
    expect(due.changed).toBe(false);
  });

  it("ends an answered call whose ACK never came with a BYE (RFC 3261 §13.3.1.4)", () => {
    const draft = draftAt(START + TIMEOUT, received("INVITE", 200));
    expect(wake(draft, START + TIMEOUT - 1)).toEqual({
      event: { type: "ack-timeout", leg: legIdOf(call, 0) },
    });
    expect(draft.outgoing.map(({ method, flow }) => [method, flow.host])).toEqual([["BYE", "10.0.0.9"]]);
  });

  it("gives up on the ACK of a failure without telling anybody (timer H)", () => {
    const draft = draftAt(START + TIMEOUT, received("INVITE", 486));
    expect(wake(draft, START + TIMEOUT - 1)).toBeUndefined();
    expect(draft.outgoing).toEqual([]);
    expect(isUnstable(draft.record)).toBe(false);
  });

  it("fires a timer of call control once", () => {
    const draft = draftAt(START);
    stepOf(draft).timer("ring", START + 60_000);
    const record = draft.record;
    expect(nextWake(record, START)).toBe(START + 60_000);
    const later = draftAt(START + 60_000, record);
    expect(wake(later, START)).toEqual({ timer: "ring" });
    expect(later.record.timers).toEqual({});
  });
});

describe("how long a record lives", () => {
  it("is due at once while unfinished, so that a survivor looks at it", () => {
    expect(dueAt(received("INVITE"), START)).toBe(START);
  });

  it("is a tombstone once it has failed and been acknowledged or given up", () => {
    const draft = draftAt(START + TIMEOUT, received("INVITE", 486));
    wake(draft, START);
    expect(dueAt(draft.record, START)).toBeUndefined();
    expect(ttlOf(draft.record)).toBe(TOMBSTONE_MS);
  });

  it("is that of a dialog once answered", () => {
    const record = received("INVITE", 200);
    expect(hasDialog(record)).toBe(true);
    expect(ttlOf(record)).toBeGreaterThan(3_600_000);
  });

  it("is that of its end once call control has let go of it, however long that wanted it before", () => {
    const draft = draftAt(START, received("MESSAGE", 200));
    stepOf(draft).save({ kind: "user" }, 30 * 24 * 3_600_000);
    expect(ttlOf(draft.record)).toBe(30 * 24 * 3_600_000);
    stepOf(draft).save(undefined);
    expect(ttlOf(draft.record)).toBe(TOMBSTONE_MS);
  });

  it("is over soon after a request that began nothing", () => {
    const record = received("MESSAGE", 200);
    expect(isUnstable(record)).toBe(false);
    expect(ttlOf(record)).toBe(TOMBSTONE_MS);
  });
});

describe("a request with a patience of its own", () => {
  it("tells a peer as lost that said nothing in that time", () => {
    const draft = draftAt(START + 4_000, sent("OPTIONS", 4_000));
    expect(wake(draft, START)).toMatchObject({ event: { status: 408, local: true, method: "OPTIONS" } });
    expect(draft.record.legs[1]?.clients).toEqual([]);
  });

  it("gives a silent INVITE up early, and still takes down whoever answers it late (RFC 3261 §9.1)", () => {
    const record = sent("INVITE", 4_000);
    expect(nextWake(record, START + 3_600)).toBe(START + 4_000);
    const draft = draftAt(START + 4_000, record);
    expect(wake(draft, START + 3_900)).toMatchObject({ event: { status: 408, local: true } });
    const [txn] = draft.record.legs[1]?.clients ?? [];
    expect(txn?.state).toEqual({ name: "calling", sinceMs: START, cancel: true });
    const later = draftAt(START + 5_000, draft.record);
    const ringing = `SIP/2.0 180 Ringing\r\n${/Via:.*\r\n/.exec(txn?.request ?? "")?.[0] ?? ""}From: <sip:a@h>;tag=${call}.1\r\nTo: <sip:b@h>;tag=t\r\nCall-ID: ${call}.1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n`;
    receiveResponse(later, { call, leg: legIdOf(call, 1), number: 1, seq: 1 }, parse(ringing));
    expect(later.outgoing.map(({ method }) => method)).toEqual(["CANCEL"]);
  });

  it("waits for a peer that rings as long as it likes", () => {
    const record = sent("INVITE", 4_000);
    const [txn] = record.legs[1]?.clients ?? [];
    if (txn?.kind !== "invite-client") throw new Error("no INVITE");
    const ringing = draftAt(START + 5_000, record);
    ringing.putClient(1, { ...txn, state: { name: "proceeding" } });
    expect(wake(ringing, START)).toBeUndefined();
  });
});
