import { describe, expect, it } from "vitest";
import { stepSession, type SessionEffect, type SessionEvent, type SessionState } from "./session.machine.ts";

/** Feeds events and answers where it ended and every effect but timers. */
function run(...types: SessionEvent["type"][]): { state: SessionState; did: string[] } {
  let state: SessionState = { name: "idle" };
  const did: string[] = [];
  for (const type of types) {
    const step = stepSession(state, { type });
    if (!step) continue;
    state = step.state;
    did.push(...step.effects.filter((effect) => effect.do !== "arm" && effect.do !== "disarm").map(print));
  }
  return { state, did };
}

function print(effect: SessionEffect): string {
  switch (effect.do) {
    case "squelch":
      return effect.open ? "open" : "close";
    case "key":
      return effect.on ? "key" : "unkey";
    case "pass":
      return "pass";
    case "count":
      return effect.what;
    case "arm":
    case "disarm":
      return `${effect.do} ${effect.timer}`;
  }
}

describe("receiving", () => {
  it("idle --voice--> receiving: the first frame is passed on, so that no syllable is cut", () => {
    expect(run("voice", "voice").did).toEqual(["open", "pass", "pass"]);
  });

  it("receiving --unkey--> idle", () => {
    expect(run("voice", "unkey")).toEqual({ state: { name: "idle" }, did: ["open", "pass", "close"] });
  });

  it("receiving --quiet--> idle: a lost unkey closes the squelch", () => {
    expect(run("voice", "quiet").did).toEqual(["open", "pass", "close", "unkey-lost"]);
  });

  it("receiving --limit--> refused until the source clears", () => {
    expect(run("voice", "limit", "voice", "voice").did).toEqual(["open", "pass", "close", "receive-limit"]);
    expect(run("voice", "limit", "voice", "unkey", "voice").did.slice(-2)).toEqual(["open", "pass"]);
  });

  it("receiving --transmit--> transmitting: who was overridden must key again", () => {
    const overridden = run("voice", "transmit", "voice", "release", "settled", "voice");
    expect(overridden.did).toEqual(["open", "pass", "close", "key", "unkey"]);
    expect(overridden.state).toEqual({ name: "refused" });
  });
});

describe("transmitting", () => {
  it("idle --transmit--> transmitting --release--> settling --settled--> idle", () => {
    expect(run("transmit", "release", "settled")).toEqual({ state: { name: "idle" }, did: ["key", "unkey"] });
  });

  it("is no source meanwhile: its own echo and callers who do not wait are counted once and not passed on", () => {
    expect(run("transmit", "voice", "voice").did).toEqual(["key", "while-transmitting"]);
  });

  it("transmitting --limit--> exhausted: unkeyed, and not keyed again before the group is silent", () => {
    expect(run("transmit", "limit", "transmit").did).toEqual(["key", "unkey", "transmit-limit"]);
    expect(run("transmit", "limit", "release", "settled", "transmit").did.slice(-1)).toEqual(["key"]);
  });
});

describe("settling", () => {
  it("keeps refusing what began while we transmitted until it clears", () => {
    expect(run("transmit", "voice", "release", "voice", "settled", "voice").state).toEqual({
      name: "refused",
    });
    expect(run("transmit", "voice", "release", "settled", "unkey", "voice").state).toEqual({
      name: "receiving",
    });
  });

  it("opens for a quick answer as soon as it has settled", () => {
    const answer = run("transmit", "release", "voice", "settled", "voice");
    expect(answer.did).toEqual(["key", "unkey", "open", "pass"]);
  });

  it("forgets what went away before it had settled", () => {
    expect(run("transmit", "release", "voice", "unkey", "settled")).toEqual({
      state: { name: "idle" },
      did: ["key", "unkey"],
    });
  });

  it("keys again at once when the group goes on", () => {
    expect(run("transmit", "release", "transmit").state).toEqual({
      name: "transmitting",
      sourceActive: false,
    });
  });
});

it("goes from every state on every event as drawn", () => {
  const states: SessionState[] = [
    { name: "idle" },
    { name: "receiving" },
    { name: "refused" },
    { name: "transmitting", sourceActive: false },
    { name: "transmitting", sourceActive: true },
    { name: "exhausted", sourceActive: true },
    { name: "settling", source: "quiet" },
    { name: "settling", source: "old" },
    { name: "settling", source: "new" },
  ];
  const types: SessionEvent["type"][] = [
    "voice",
    "unkey",
    "quiet",
    "transmit",
    "release",
    "limit",
    "settled",
  ];
  const lines = states.flatMap((state) =>
    types.map((type) => {
      const step = stepSession(state, { type });
      const after = step ? `${JSON.stringify(step.state)} ${step.effects.map(print).join(", ")}` : "-";
      return `${JSON.stringify(state)} ${type}: ${after}`;
    }),
  );
  expect(lines).toMatchSnapshot();
});
