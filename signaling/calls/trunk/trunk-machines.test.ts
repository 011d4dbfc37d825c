import { describe, expect, it } from "vitest";
import type { Challenge } from "#signaling/calls/auth/digest-client.ts";
import { startHealth, stepHealth, type HealthEvent, type HealthState } from "./peer-health.machine.ts";
import { retryDelayOf } from "./retry-delay.ts";
import {
  startRegistration,
  stepRegistration,
  type RegistrationEvent,
  type TrunkRegistration,
} from "./trunk-registration.machine.ts";

const enrolment = {
  registrar: "sip:p",
  aor: "<sip:u@p>",
  username: "u",
  password: "p",
  contactUser: "t1",
  seconds: 600,
};
const base = { trunk: "t", peer: "p:5060", leg: "l.1" };
const challenge = (nonce: string, stale = false): Challenge => ({
  realm: "r",
  nonce,
  algorithm: "MD5",
  qop: true,
  stale,
  proxy: false,
});
const START = 1_000_000;

/** Runs events, one second apart, from the first REGISTER on; says what became of each. */
function register(...events: (Record<string, unknown> & { type: string })[]) {
  let state: TrunkRegistration = startRegistration({ ...base, enrolment }, START).state;
  const lines = events.map((event, i) => {
    const step = stepRegistration(state, { ...event, atMs: START + 1_000 * (i + 1) } as RegistrationEvent);
    state = JSON.parse(JSON.stringify(step?.state ?? state)) as TrunkRegistration;
    const sent = step?.effects.flatMap((effect) =>
      effect.do === "register" ? [`${effect.seconds}s${effect.challenge ? ` nc${effect.count}` : ""}`] : [],
    );
    return [state.name, ...(sent ?? [])].join(" ");
  });
  return { lines, state };
}
const refused = (nonce: string, stale = false) => ({
  type: "response",
  status: 401,
  challenge: challenge(nonce, stale),
});
const ok = (granted = 600) => ({ type: "response", status: 200, granted });
const timer = { type: "timer" };

describe("registration with a carrier (RFC 3261 §10.2)", () => {
  it.each([
    ["answers a challenge, and uses it again with the next count", [refused("a"), ok(), timer, ok()], ["registering 600s nc1", "registered", "registering 600s nc2", "registered"]],
    ["takes a new nonce in place of a stale one", [refused("a"), ok(), timer, refused("b", true), ok()], ["registering 600s nc1", "registered", "registering 600s nc2", "registering 600s nc1", "registered"]],
    ["gives a wrong password up", [refused("a"), refused("b"), refused("c")], ["registering 600s nc1", "registering 600s nc1", "waiting"]],
    ["gives it up at once when the nonce is the same", [refused("a"), refused("a")], ["registering 600s nc1", "waiting"]],
    ["asks for as long as is wanted (423)", [{ type: "response", status: 423, minSeconds: 900 }, ok(900)], ["registering 900s", "registered"]],
    ["does not follow a 423 that asks for less, or for days", [{ type: "response", status: 423, minSeconds: 90_000 }], ["waiting"]],
    ["tries again after a failure", [{ type: "response", status: 500 }, timer, ok()], ["waiting", "registering 600s", "registered"]],
    ["takes its contact back when it is stopped", [ok(), { type: "stop" }, ok(0)], ["registered", "leaving 0s", "gone"]],
    ["waits for an answer under way before it leaves", [{ type: "stop" }, ok(), ok(0)], ["registering", "leaving 0s", "gone"]],
    ["leaves without a word when it is not registered", [{ type: "response", status: 403 }, { type: "stop" }], ["waiting", "gone"]],
    ["answers the challenge of its leaving", [ok(), { type: "stop" }, refused("z"), ok(0)], ["registered", "leaving 0s", "leaving 0s nc1", "gone"]],
    ["is given up by a registrar that says nothing to its leaving", [ok(), { type: "stop" }, timer], ["registered", "leaving 0s", "gone"]],
    ["comes back when it is wanted again", [ok(), { type: "stop" }, { type: "start", enrolment }, ok()], ["registered", "leaving 0s", "registering 600s", "registered"]],
    ["registers anew with another password", [ok(), { type: "start", enrolment: { ...enrolment, password: "q" } }], ["registered", "registering 600s"]],
    ["does nothing when told the same", [ok(), { type: "start", enrolment }], ["registered", "registered"]],
    ["takes a lost answer for a failure", [timer], ["waiting"]],
  ])("%s", (_title, events, lines) => {
    expect(register(...events).lines).toEqual(lines);
  }); // prettier-ignore

  it("refreshes a minute before a long time is over, and after three quarters of a short one", () => {
    const at = (granted: number) => {
      const { state } = startRegistration({ ...base, enrolment }, START);
      const step = stepRegistration(state, { type: "response", status: 200, granted, atMs: START });
      return step?.effects.find((effect) => effect.do === "timer")?.atMs;
    };
    expect([at(600), at(60), at(0)]).toEqual([START + 540_000, START + 45_000, START + 1_500]);
  });

  it("keeps what is known of its time while a refresh fails", () => {
    const { state } = register(ok(), timer, { type: "response", status: 503 });
    expect(state).toMatchObject({ name: "waiting", untilMs: START + 1_000 + 600_000 });
  });

  it("waits twice as long after each failure up to five minutes, and as long as it is asked to", () => {
    for (const [fails, seconds] of [
      [1, 5],
      [2, 10],
      [3, 20],
      [20, 300],
    ] as const) {
      expect(retryDelayOf("l", fails)).toBeGreaterThanOrEqual(seconds * 1_000);
      expect(retryDelayOf("l", fails)).toBeLessThanOrEqual(seconds * 1_200);
    }
    expect(retryDelayOf("l", 1, 120)).toBe(120_000);
    expect(retryDelayOf("l", 1, 99_999)).toBe(3_600_000);
  });
});

describe("health of a peer", () => {
  const check = { uri: "sip:p", from: "<sip:ping@h>", everyMs: 30_000 };
  const run = (...events: readonly (number | "silence" | "stop")[]) => {
    let state: HealthState = startHealth({ ...base, check }, START).state;
    return events.map((event) => {
      const told: HealthEvent =
        event === "stop"
          ? { type: "stop", atMs: START }
          : {
              type: "response",
              status: event === "silence" ? 408 : event,
              local: event === "silence",
              atMs: START,
            };
      const step = stepHealth(state, told);
      state = step?.state ?? state;
      const wait = step?.effects.find((effect) => effect.do === "timer")?.atMs;
      if (state.name !== "gone") state = stepHealth(state, { type: "timer", atMs: START })?.state ?? state;
      return `${state.name} ${wait === undefined ? "-" : (wait - START) / 1_000}`;
    });
  };
  it.each([
    ["is up while it answers, whatever it says", [200, 404, 405, 401], ["up 30", "up 30", "up 30", "up 30"]],
    ["is down after two failures in a row", [200, "silence", 503], ["up 30", "up 5", "down 30"]],
    ["is not down after one", ["silence", 200, "silence", 200], ["up 5", "up 30", "up 5", "up 30"]],
    ["is up again after two answers in a row", ["silence", "silence", 200, "silence", 200, 200], ["up 5", "down 30", "down 5", "down 30", "down 5", "up 30"]],
    ["is asked no more when it is not wanted", [200, "stop"], ["up 30", "gone -"]],
  ] as const)("%s", (_title, events, lines) => {
    expect(run(...events)).toEqual(lines);
  }); // prettier-ignore

  it("is left alone as long as its 503 asks", () => {
    const { state } = startHealth({ ...base, check }, START);
    const step = stepHealth(state, {
      type: "response",
      status: 503,
      local: false,
      retryAfterS: 90,
      atMs: START,
    });
    expect(step?.effects).toContainEqual({ do: "avoid", untilMs: START + 90_000 });
    expect(step?.effects).toContainEqual({ do: "timer", atMs: START + 90_000 });
  });
});
