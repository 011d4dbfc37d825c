import { describe, expect, it } from "vitest";
import {
  acknowledge,
  firstRseq,
  respond,
  scheduleOf,
  type ReliableProvisionals,
} from "./reliable-provisional.machine.ts";
import { nextResend, T1, TIMEOUT } from "./timing.ts";

interface Answer {
  readonly status: number;
}
type State = ReliableProvisionals<Answer>;
const open: State = { rseq: 7, sinceMs: 1_000 };
const described: State = { ...open, described: true };
const idle: State = { rseq: 7 };
const full: State = { ...open, waiting: [180, 181, 182, 183].map((status) => ({ status })) };

describe("reliable provisional responses of a server (RFC 3262 §3)", () => {
  type Row = [
    title: string,
    state: State | undefined,
    status: number,
    reliable: boolean,
    action: string,
    after: State | undefined,
  ];
  // prettier-ignore
  it.each<Row>([
    ["the first gets the first number", undefined, 183, true, "send-reliably", { rseq: 40, sinceMs: 2_000 }],
    ["100 never is reliable", undefined, 100, true, "send", undefined],
    ["an unreliable one stays so", undefined, 180, false, "send", undefined],
    ["the next gets the next number", idle, 180, true, "send-reliably", { rseq: 8, sinceMs: 2_000 }],
    ["a second one waits for the PRACK of the first", open, 180, true, "hold", { ...open, waiting: [{ status: 180 }] }],
    ["an unreliable one does not overtake it", open, 180, false, "hold", { ...open, waiting: [{ status: 180 }] }],
    ["more than a few are dropped", full, 180, true, "drop", full],
    ["a 2xx goes at once", open, 200, false, "send", open],
    ["a 2xx waits for the PRACK of a session description", described, 200, false, "hold", { ...described, waiting: [{ status: 200 }] }],
    ["only one final response waits", { ...described, waiting: [{ status: 200 }] }, 200, false, "drop", { ...described, waiting: [{ status: 200 }] }],
    ["a failure goes at once", described, 486, false, "send", described],
  ])("%s", (_title, state, status, reliable, action, after) => {
    const result = respond(state, { status }, { reliable, described: false, nowMs: 2_000, first: 40 });
    expect(result.action.do).toBe(action);
    expect(result.state).toEqual(after);
  });

  it("remembers that a session description is out", () => {
    const how = { reliable: true, described: true, nowMs: 2_000, first: 40 };
    expect(respond(undefined, { status: 183 }, how).state).toEqual({
      rseq: 40,
      sinceMs: 2_000,
      described: true,
    });
  });

  it("unacknowledged --PRACK of its number--> acknowledged, with what waited", () => {
    expect(acknowledge({ ...described, waiting: [{ status: 200 }] }, 7)).toEqual({
      state: idle,
      released: [{ status: 200 }],
    });
  });

  it.each([
    ["another number", open, 8],
    ["a number that was acknowledged", idle, 7],
    ["no response at all", undefined, 7],
  ])("matches no PRACK with %s", (_title, state, rseq) => {
    expect(acknowledge(state, rseq)).toBeUndefined();
  });

  it("is sent again after T1, then twice as long each time, without a cap, and given up after 64*T1", () => {
    const { resend, expireAtMs } = scheduleOf(open);
    if (!resend) throw new Error("is not sent again");
    const times: number[] = [];
    for (let at = nextResend(resend, 1_000); at < (expireAtMs ?? 0); at = nextResend(resend, at))
      times.push(at - 1_000);
    expect(times).toEqual([1, 3, 7, 15, 31].map((intervals) => intervals * T1).concat(63 * T1));
    expect(expireAtMs).toBe(1_000 + TIMEOUT);
    expect(scheduleOf(idle)).toEqual({});
  });

  it.each(["000000000000", "ffffffffffff", "3a0bc4"])(
    "numbers from %s start between 1 and 2^30",
    (digits) => {
      expect(firstRseq(digits)).toBeGreaterThanOrEqual(1);
      expect(firstRseq(digits)).toBeLessThan(2 ** 30);
    },
  );
});
