import { describe, expect, it } from "vitest";
import * as inviteClient from "./invite-client.machine.ts";
import * as inviteServer from "./invite-server.machine.ts";
import * as nonInviteClient from "./non-invite-client.machine.ts";
import * as nonInviteServer from "./non-invite-server.machine.ts";
import { nextResend, T1, T2, T4, TIMEOUT } from "./timing.ts";

const nowMs = 10_000;
const sinceMs = 1_000;

/** Every state against every event: what a review sees change when a figure changes. */
function matrix<S extends { readonly name: string }, E extends { readonly type: string }>(
  states: readonly S[],
  events: readonly (E & { readonly status?: number })[],
  step: (state: S, event: E) => { state: S; effects: readonly { readonly do: string }[] } | undefined,
): string[] {
  return states.flatMap((state) =>
    events.map((event) => {
      const label = `${state.name} --${event.status ?? event.type}--> `;
      const result = step(state, event);
      if (!result) return `${label}absorbed`;
      const effects = result.effects.map((effect) => Object.values(effect).join(" "));
      return `${label}${result.state.name}${effects.length === 0 ? "" : ` [${effects.join(", ")}]`}`;
    }),
  );
}

describe("INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1)", () => {
  const states: inviteServer.State[] = [
    { name: "proceeding" },
    { name: "completed", sinceMs },
    { name: "confirmed", sinceMs },
    { name: "accepted", sinceMs },
    { name: "terminated" },
  ];
  const events: inviteServer.Event[] = [
    { type: "invite" },
    { type: "ack", nowMs },
    { type: "cancel", nowMs },
    { type: "respond", status: 180, nowMs },
    { type: "respond", status: 200, nowMs },
    { type: "respond", status: 486, nowMs },
    { type: "expire" },
  ];

  it("has these edges", () => {
    expect(matrix(states, events, inviteServer.step)).toMatchSnapshot();
  });

  // prettier-ignore
  it.each<[title: string, from: inviteServer.State, reliable: boolean, schedule: ReturnType<typeof inviteServer.scheduleOf>]>([
    ["proceeding waits for call control alone", { name: "proceeding" }, false, {}],
    ["completed sends again (G) and gives up after 64*T1 (H)", { name: "completed", sinceMs }, false, { resend: { sinceMs, firstMs: T1, capMs: T2 }, expireAtMs: sinceMs + TIMEOUT }],
    ["completed over TCP sends once", { name: "completed", sinceMs }, true, { expireAtMs: sinceMs + TIMEOUT }],
    ["accepted sends its 2xx again over any transport (§13.3.1.4)", { name: "accepted", sinceMs }, true, { resend: { sinceMs, firstMs: T1, capMs: T2 }, expireAtMs: sinceMs + TIMEOUT }],
    ["confirmed absorbs ACKs for T4 (I)", { name: "confirmed", sinceMs }, false, { forgetAtMs: sinceMs + T4 }],
  ])("%s", (_title, state, reliable, schedule) => {
    expect(inviteServer.scheduleOf(state, reliable)).toEqual(schedule);
  });
});

describe("non-INVITE server transaction (RFC 3261 §17.2.2)", () => {
  const states: nonInviteServer.State[] = [
    { name: "trying" },
    { name: "proceeding" },
    { name: "completed", sinceMs },
    { name: "terminated" },
  ];
  const events: nonInviteServer.Event[] = [
    { type: "request" },
    { type: "respond", status: 182, nowMs },
    { type: "respond", status: 200, nowMs },
  ];

  it("has these edges", () => {
    expect(matrix(states, events, nonInviteServer.step)).toMatchSnapshot();
  });

  it("remembers its response for 64*T1 (J), and for T4 over TCP, whose connection may be lost", () => {
    expect(nonInviteServer.scheduleOf({ name: "completed", sinceMs }, false)).toEqual({
      forgetAtMs: sinceMs + TIMEOUT,
    });
    expect(nonInviteServer.scheduleOf({ name: "completed", sinceMs }, true)).toEqual({
      forgetAtMs: sinceMs + T4,
    });
  });
});

describe("INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2, §9.1)", () => {
  const states: inviteClient.State[] = [
    { name: "calling", sinceMs, cancel: false },
    { name: "calling", sinceMs, cancel: true },
    { name: "proceeding" },
    { name: "cancelling", sinceMs },
    { name: "completed", sinceMs },
    { name: "accepted", sinceMs },
    { name: "terminated" },
  ];
  const events: inviteClient.Event[] = [
    { type: "response", status: 100, nowMs },
    { type: "response", status: 200, nowMs },
    { type: "response", status: 486, nowMs },
    { type: "cancel", nowMs },
    { type: "expire" },
    { type: "transport-error" },
  ];

  it("has these edges", () => {
    expect(matrix(states, events, inviteClient.step)).toMatchSnapshot();
  });

  it("sends again without limit to the interval (A) and gives up after 64*T1 (B)", () => {
    expect(inviteClient.scheduleOf({ name: "calling", sinceMs, cancel: false }, false)).toEqual({
      resend: { sinceMs, firstMs: T1, capMs: TIMEOUT },
      expireAtMs: sinceMs + TIMEOUT,
    });
  });

  it("waits as long as the phone rings", () => {
    expect(inviteClient.scheduleOf({ name: "proceeding" }, false)).toEqual({});
  });
});

describe("non-INVITE client transaction (RFC 3261 §17.1.2)", () => {
  const states: nonInviteClient.State[] = [
    { name: "trying", sinceMs },
    { name: "proceeding", sinceMs },
    { name: "completed", sinceMs },
    { name: "terminated" },
  ];
  const events: nonInviteClient.Event[] = [
    { type: "response", status: 100, nowMs },
    { type: "response", status: 200, nowMs },
    { type: "expire" },
    { type: "transport-error" },
  ];

  it("has these edges", () => {
    expect(matrix(states, events, nonInviteClient.step)).toMatchSnapshot();
  });

  it("keeps timer F running from the request when a provisional response comes", () => {
    const next = nonInviteClient.step({ name: "trying", sinceMs }, { type: "response", status: 100, nowMs });
    expect(next?.state).toEqual({ name: "proceeding", sinceMs });
  });
});

describe("retransmission times", () => {
  const times = (firstMs: number, capMs: number, count: number): number[] => {
    const list: number[] = [];
    for (let at = 0; list.length < count; list.push(at)) at = nextResend({ sinceMs: 0, firstMs, capMs }, at);
    return list;
  };

  it("double up to T2 (timers E and G)", () => {
    expect(times(T1, T2, 7)).toEqual([500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500]);
  });

  it("double without end within 64*T1 (timer A)", () => {
    expect(times(T1, TIMEOUT, 6)).toEqual([500, 1_500, 3_500, 7_500, 15_500, 31_500]);
  });

  it("are found from any later moment, by a process that saw none of them", () => {
    expect(nextResend({ sinceMs: 0, firstMs: T1, capMs: T2 }, 20_000)).toBe(23_500);
  });
});
