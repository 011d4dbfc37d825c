import { describe, expect, it } from "vitest";
import {
  notified, NOTIFY_GAP_MS, SETTLE_MS, startSubscription, stepSubscription,
  type Active, type Subscription, type SubscriptionEffect, type SubscriptionEvent,
} from "./subscription.machine.ts"; // prettier-ignore

const NEW = { leg: "00a.0", txn: "t1", event: "presence", resource: "presence:bob", subscriber: "alice", seconds: 60, atMs: 1_000 } as const; // prettier-ignore
/** Told, and its NOTIFY answered. */
const quiet: Active = { ...notified(active(startSubscription(NEW).state), "print", 1_000), open: false };

function active(state: Subscription): Active {
  if (state.name !== "active") throw new Error("not active");
  return state;
}
const describeEffect = (effect: SubscriptionEffect): string => {
  switch (effect.do) {
    case "sip":
      return effect.command.type === "reply" ? `${effect.command.status}` : effect.command.type;
    case "timer":
      return `${effect.timer} ${effect.atMs ?? "off"}`;
    case "look":
      return `look ${effect.send}`;
    case "finish":
      return `finish ${effect.reason}`;
    case "index":
      return "index";
  }
};
const step = (state: Subscription, event: SubscriptionEvent) => {
  const result = stepSubscription(state, event);
  return { state: result?.state ?? state, effects: (result?.effects ?? []).map(describeEffect) };
};

describe("a subscription's machine (RFC 6665 §4.2)", () => {
  it("starts with 200, its end, the first NOTIFY, and a second look", () => {
    expect(startSubscription(NEW).effects.map(describeEffect)).toEqual([
      "200",
      "sub-expire 61000",
      "look always",
      `sub-look ${1_000 + SETTLE_MS}`,
    ]);
  });

  it("is a question when it is to last no time", () => {
    expect(startSubscription({ ...NEW, seconds: 0 }).effects.map(describeEffect)).toEqual([
      "200",
      "finish timeout",
    ]);
  });

  const late = quiet.sentAtMs + NOTIFY_GAP_MS;
  const open: Active = { ...quiet, open: true };
  const dirty: Active = { ...quiet, dirty: true };
  it.each<[string, Active, SubscriptionEvent, string[]]>([
    ["looks at a change", quiet, { type: "changed", atMs: late }, ["look if-changed"]],
    ["keeps a change for later within a second of a NOTIFY", quiet, { type: "changed", atMs: late - 1 }, [`sub-rate ${late}`]],
    ["does nothing more about a second change", dirty, { type: "changed", atMs: late - 1 }, []],
    ["keeps a change while a NOTIFY has no answer", open, { type: "changed", atMs: late }, []],
    ["looks when it may again", dirty, { type: "timer", timer: "sub-rate", atMs: late }, ["look if-changed"]],
    ["looks when the answer comes late", { ...open, dirty: true }, { type: "answered", status: 200, local: false, atMs: late }, ["look if-changed"]],
    ["waits when the answer comes early", { ...open, dirty: true }, { type: "answered", status: 200, local: false, atMs: late - 1 }, [`sub-rate ${late}`]],
    ["tells a refresh in any case", quiet, { type: "refresh", txn: "t2", seconds: 30, atMs: 2_000 }, ["200", "index", "sub-expire 32000", "look always"]],
    ["tells a refresh after the NOTIFY under way", open, { type: "refresh", txn: "t2", seconds: 30, atMs: 2_000 }, ["200", "index", "sub-expire 32000"]],
    ["ends at its end", quiet, { type: "timer", timer: "sub-expire", atMs: 61_000 }, ["finish timeout"]],
    ["is not ended by a timer of before its refresh", quiet, { type: "timer", timer: "sub-expire", atMs: 60_999 }, []],
    ["ends when it is taken back", quiet, { type: "refresh", txn: "t2", seconds: 0, atMs: 2_000 }, ["200", "finish timeout"]],
  ])("%s", (_title, state, event, expected) => {
    expect(step(state, event).effects).toEqual(expected);
  }); // prettier-ignore

  it("forgets what it told when it is refreshed while a NOTIFY is under way, so that the next look sends", () => {
    const { state } = step(open, { type: "refresh", txn: "t2", seconds: 30, atMs: 2_000 });
    expect(state).toMatchObject({ dirty: true });
    expect(state).not.toHaveProperty("told");
  });

  it.each([
    [481, false, "gone"],
    [408, true, "gone"],
    [404, false, "gone"],
    [603, false, "gone"],
    [500, false, "active"],
    [503, true, "active"],
    [200, false, "active"],
  ] as const)("after a NOTIFY that is answered %i (local: %s) is %s", (status, local, name) => {
    expect(step(open, { type: "answered", status, local, atMs: late }).state.name).toBe(name);
  });
});
