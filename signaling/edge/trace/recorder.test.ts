import { describe, expect, it, vi } from "vitest";
import { silent } from "#common/log.ts";
import type { Outgoing } from "#signaling/edge/engine/draft.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { TraceAppend } from "#state/trace/append-traces.ts";
import { TraceRecorder, type RecorderOptions } from "./recorder.ts";

const flow: Flow = { transport: "udp", host: "2001:db8::1", port: 5060 };
const CALL = "00call";
const text = (method: string): string =>
  `${method} sip:+15551230001@x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: one@phone\r\nCSeq: 1 ${method}\r\n\r\n`;
const incoming = (method: string) => {
  const parsed = parseMessage(text(method));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const outgoing = (change: Partial<Outgoing> = {}): Outgoing => ({
  flow, text: text("BYE"), method: "BYE", status: 0, ...change,
}); // prettier-ignore

function record(options: Partial<RecorderOptions> = {}) {
  const appends: TraceAppend[] = [];
  let dropped = 0;
  const recorder = new TraceRecorder({
    instance: "one",
    log: silent,
    local: () => "192.0.2.9:5060",
    append: (batch) => {
      appends.push(...batch);
      return Promise.resolve(0);
    },
    dropped: (entries) => (dropped += entries),
    nowMs: () => 1_000.123_456,
    ...options,
  });
  return { recorder, appends, dropped: () => dropped };
}

describe("trace recorder", () => {
  it("writes what it noted of a call: redacted, with addresses and the time in µs", async () => {
    const { recorder, appends } = record();
    recorder.received(CALL, incoming("INVITE"), flow);
    recorder.sent(CALL, outgoing({ retransmission: true }));
    recorder.mark(CALL, "adopted", "two");
    await recorder.flush();
    expect(appends).toEqual([
      {
        call: CALL,
        callId: "one@phone",
        startMs: 1_000,
        entries: [
          {
            type: "message", atUs: 1_000_123, instance: "one", direction: "in", transport: "udp", peer: "[2001:db8::1]:5060",
            local: "192.0.2.9:5060", again: false, text: text("INVITE").replace("+15551230001", "+xxxxxxx0001"),
          },
          {
            type: "message", atUs: 1_000_123, instance: "one", direction: "out", transport: "udp", peer: "[2001:db8::1]:5060",
            local: "192.0.2.9:5060", again: true, text: text("BYE").replace("+15551230001", "+xxxxxxx0001"),
          },
          { type: "mark", atUs: 1_000_123, instance: "one", mark: "adopted", detail: "two" },
        ],
      },
    ]); // prettier-ignore
  });

  it("writes by itself, many calls in one", async () => {
    vi.useFakeTimers();
    const { recorder, appends } = record();
    recorder.received(CALL, incoming("INVITE"), flow);
    recorder.sent("00other", outgoing());
    expect(appends).toEqual([]);
    await vi.advanceTimersByTimeAsync(250);
    expect(appends.map(({ call, callId }) => [call, callId])).toEqual([
      [CALL, "one@phone"],
      ["00other", "one@phone"],
    ]);
    vi.useRealTimers();
  });

  it("does not note what is no call", async () => {
    const { recorder, appends } = record();
    recorder.received(CALL, incoming("REGISTER"), flow);
    recorder.sent(CALL, outgoing({ method: "OPTIONS" }));
    await recorder.flush();
    expect(appends).toEqual([]);
  });

  it("holds so much and no more of one call and of all, and counts the rest", async () => {
    const { recorder, appends, dropped } = record();
    for (let i = 0; i < 250; i++) recorder.sent(CALL, outgoing());
    expect(dropped()).toBe(50);
    for (let i = 0; i < 25_000; i++) recorder.sent(`00call${i}`, outgoing());
    expect(dropped()).toBe(50 + 5_200);
    await recorder.flush();
    expect(appends.reduce((sum, { entries }) => sum + entries.length, 0)).toBe(20_000);
  });

  it("counts what could not be written and goes on", async () => {
    let broken = true;
    const { recorder, dropped } = record({
      append: () => (broken ? Promise.reject(new Error("Redis is away")) : Promise.resolve(0)),
    });
    recorder.sent(CALL, outgoing());
    await recorder.flush();
    expect(dropped()).toBe(1);
    broken = false;
    recorder.sent(CALL, outgoing());
    await recorder.flush();
    expect(dropped()).toBe(1);
  });
});
