import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FLOOR_LEASE_MS } from "#common/media-control.ts";
import {
  floorOf,
  idle,
  LIMIT_NEAR_MS,
  type Claim,
  type Effect,
  type Event,
  type FloorPolicy,
  type State,
} from "./floor.machine.ts";

const policy: FloorPolicy = { maxTalkMs: 60_000, hangMs: 500, queue: false };
const member = (id: string, priority = 5) => ({ id, name: id, kind: "phone" as const, priority });
const claim = (leg: string, changes: Partial<Claim> & { priority?: number } = {}): Claim => {
  const { priority, ...rest } = changes;
  return { leg, member: member(leg, priority), byVoice: false, ...rest };
};
const request = (leg: string, changes: Parameters<typeof claim>[1] & { nowMs?: number } = {}): Event => {
  const { nowMs = 1_000, ...rest } = changes;
  return { type: "request", nowMs, ...claim(leg, rest) };
};
const release = (leg: string, hold?: string, nowMs = 2_000): Event =>
  hold === undefined ? { type: "release", leg, nowMs } : { type: "release", leg, hold, nowMs };
const renew = (leg: string, hold: string, nowMs: number): Event => ({ type: "renew", leg, hold, nowMs });
const timer = (name: Extract<Event, { type: "timer" }>["timer"], nowMs = 3_000): Event => ({
  type: "timer",
  timer: name,
  nowMs,
});

/** Runs events one after another; keeps the effects of the last. */
function run(
  events: readonly Event[],
  changes: Partial<FloorPolicy> = {},
): { state: State; effects: readonly Effect[] } {
  const step = floorOf({ ...policy, ...changes });
  return events.reduce<{ state: State; effects: readonly Effect[] }>(
    ({ state }, event) => step(state, event) ?? { state, effects: [] },
    { state: idle, effects: [] },
  );
}
const holderOf = (state: State) => (state.name === "taken" ? state.holder.leg : undefined);
const doing = (effects: readonly Effect[], what: Effect["do"]) =>
  effects.filter((effect) => effect.do === what);
/** Who is granted, revoked, denied, queued or at rest, in order. */
const told = (effects: readonly Effect[]) =>
  effects.flatMap((effect) =>
    "claim" in effect
      ? [`${effect.do} ${effect.claim.leg}`]
      : effect.do === "rest"
        ? [`rest ${effect.leg}`]
        : [],
  );

describe("floor: one talker at a time", () => {
  it("idle --request--> taken: granted, limited and published", () => {
    const { state, effects } = run([request("a")]);
    expect(state).toMatchObject({ name: "taken", seq: 1, sinceMs: 1_000, hanging: false });
    expect(told(effects)).toEqual(["grant a"]);
    expect(doing(effects, "arm")).toEqual([{ do: "arm", timer: "limit", ms: 60_000 }]);
    expect(doing(effects, "publish")).toHaveLength(1);
  });

  it("taken --request of an equal--> taken: denied, naming the holder, and nothing is published", () => {
    const { state, effects } = run([request("a"), request("b")]);
    expect(holderOf(state)).toBe("a");
    expect(effects).toEqual([{ do: "deny", claim: claim("b"), cause: "busy", holder: member("a") }]);
  });

  it("taken --request of a lower--> taken: denied", () => {
    expect(told(run([request("a"), request("b", { priority: 1 })]).effects)).toEqual(["deny b"]);
  });

  it("taken --request of a higher--> taken: the holder is revoked first, then the other granted", () => {
    const { state, effects } = run([request("a"), request("chief", { priority: 9 })]);
    expect(holderOf(state)).toBe("chief");
    expect(told(effects)).toEqual(["revoke a", "grant chief"]);
    expect(effects[0]).toMatchObject({ cause: "preempted", by: member("chief", 9) });
  });

  it("taken --release--> idle", () => {
    const { state, effects } = run([request("a"), release("a")]);
    expect(state).toEqual({ name: "idle", seq: 2, refused: [] });
    expect(told(effects)).toEqual(["rest a"]);
    expect(doing(effects, "disarm")).toHaveLength(4);
  });

  it("taken --release of another--> taken: nothing happens", () => {
    expect(run([request("a"), release("b")])).toMatchObject({ effects: [], state: { holder: { leg: "a" } } });
  });

  it("taken --leave of the holder--> idle; of another: nothing", () => {
    expect(run([request("a"), { type: "leave", leg: "a", nowMs: 2 }]).state.name).toBe("idle");
    expect(run([request("a"), { type: "leave", leg: "b", nowMs: 2 }]).effects).toEqual([]);
  });

  it("taken --the holder asks again--> taken: granted again without a change of the sequence", () => {
    const { state, effects } = run([request("a"), request("a", { nowMs: 1_500 })]);
    expect(state).toMatchObject({ seq: 1, sinceMs: 1_000 });
    expect(told(effects)).toEqual(["grant a"]);
    expect(doing(effects, "publish")).toEqual([]);
  });
});

describe("floor: late talkers", () => {
  it("keeps a radio out that was refused until its squelch closes, though the floor is free", () => {
    const refused = [request("a"), request("radio", { byVoice: true }), release("a")];
    expect(told(run([...refused, request("radio", { byVoice: true })]).effects)).toEqual(["deny radio"]);
    expect(told(run([...refused, release("radio")]).effects)).toEqual(["rest radio"]);
    expect(told(run([...refused, release("radio"), request("radio", { byVoice: true })]).effects)).toEqual([
      "grant radio",
    ]);
  });

  it("lets a phone that was refused in again when it presses again", () => {
    expect(told(run([request("a"), request("b"), release("a"), request("b")]).effects)).toEqual(["grant b"]);
  });

  it("keeps a revoked radio out until it unkeys, and a revoked console until it presses anew", () => {
    const cut = [request("radio", { byVoice: true }), request("chief", { priority: 9 }), release("chief")];
    expect(told(run([...cut, request("radio", { byVoice: true })]).effects)).toEqual(["deny radio"]);
    const console = [request("c", { hold: "1" }), request("chief", { priority: 9 }), release("chief")];
    expect(told(run([...console, request("c", { hold: "1" })]).effects)).toEqual(["deny c"]);
    expect(told(run([...console, request("c", { hold: "2" })]).effects)).toEqual(["grant c"]);
  });

  it("forgets a refusal when its participant leaves", () => {
    const { state } = run([
      request("a"),
      request("radio", { byVoice: true }),
      { type: "leave", leg: "radio", nowMs: 2 },
    ]);
    expect(state.refused).toEqual([]);
  });
});

describe("floor: limit", () => {
  it("taken --limit--> idle: revoked, and refused until the wish ends", () => {
    const { state, effects } = run([request("a", { byVoice: true }), timer("limit")]);
    expect(effects[0]).toMatchObject({ do: "revoke", cause: "limit" });
    expect(state).toMatchObject({ name: "idle", refused: [{ leg: "a", cause: "limit" }] });
    expect(
      run([request("a", { byVoice: true }), timer("limit"), request("a", { byVoice: true })]).effects[0],
    ).toMatchObject({
      do: "deny",
      cause: "limit",
    });
  });

  it("warns a console before its limit, and neither a phone nor a turn that is too short for it", () => {
    expect(doing(run([request("c", { hold: "1" })]).effects, "arm")).toContainEqual({
      do: "arm",
      timer: "limit-near",
      ms: 60_000 - LIMIT_NEAR_MS,
    });
    expect(
      doing(run([request("c", { hold: "1" })], { maxTalkMs: LIMIT_NEAR_MS }).effects, "arm").map(
        (effect) => "timer" in effect && effect.timer,
      ),
    ).toEqual(["limit", "lease"]);
    expect(told(run([request("c", { hold: "1" }), timer("limit-near")]).effects)).toEqual(["warn c"]);
  });
});

describe("floor: hang time", () => {
  it("taken --voice pauses--> taken, hanging: the floor waits", () => {
    const { state, effects } = run([request("r", { byVoice: true }), release("r")]);
    expect(state).toMatchObject({ name: "taken", hanging: true, seq: 1 });
    expect(effects).toEqual([{ do: "arm", timer: "hang", ms: 500 }]);
  });

  it("hanging --voice again--> taken: the same turn goes on", () => {
    const { state, effects } = run([
      request("r", { byVoice: true }),
      release("r"),
      request("r", { byVoice: true }),
    ]);
    expect(state).toMatchObject({ hanging: false, seq: 1 });
    expect(doing(effects, "disarm")).toEqual([{ do: "disarm", timer: "hang" }]);
  });

  it("hanging --hang timer--> idle", () => {
    expect(run([request("r", { byVoice: true }), release("r"), timer("hang")]).state.name).toBe("idle");
  });

  it("hanging --request of another--> taken: denied as if the holder still spoke", () => {
    expect(told(run([request("r", { byVoice: true }), release("r"), request("b")]).effects)).toEqual([
      "deny b",
    ]);
  });

  it("ignores a hang timer that comes after the voice did", () => {
    const late = run([
      request("r", { byVoice: true }),
      release("r"),
      request("r", { byVoice: true }),
      timer("hang"),
    ]);
    expect(holderOf(late.state)).toBe("r");
  });

  it("frees the floor at once when the hang time is 0, and always when a key gave it back", () => {
    expect(run([request("r", { byVoice: true }), release("r")], { hangMs: 0 }).state.name).toBe("idle");
    expect(run([request("a"), release("a")]).state.name).toBe("idle");
  });
});

describe("floor: a console's hold", () => {
  it("is a lease: armed at the grant, again at each renewal", () => {
    expect(doing(run([request("c", { hold: "1" })]).effects, "arm")).toContainEqual({
      do: "arm",
      timer: "lease",
      ms: FLOOR_LEASE_MS,
    });
    expect(run([request("c", { hold: "1" }), renew("c", "1", 2_000)]).effects).toEqual([
      { do: "arm", timer: "lease", ms: FLOOR_LEASE_MS },
    ]);
  });

  it("taken --lease ends--> idle: revoked as expired", () => {
    const { state, effects } = run([request("c", { hold: "1" }), timer("lease")]);
    expect(state).toMatchObject({ name: "idle", refused: [] });
    expect(effects[0]).toMatchObject({ do: "revoke", cause: "expired" });
  });

  it("ignores the late release and the late renewal of an older hold", () => {
    const again = [request("c", { hold: "1" }), release("c", "1"), request("c", { hold: "2" })];
    expect(holderOf(run([...again, release("c", "1")]).state)).toBe("c");
    expect(run([...again, renew("c", "1", 3)]).effects).toEqual([]);
  });

  it("takes a new press for the old one when the release between them was lost", () => {
    const { state, effects } = run([request("c", { hold: "1" }), request("c", { hold: "2" })]);
    expect(state).toMatchObject({ holder: { hold: "2" }, seq: 2 });
    expect(doing(effects, "publish")).toHaveLength(1);
    expect(
      holderOf(run([request("c", { hold: "1" }), request("c", { hold: "2" }), release("c", "1")]).state),
    ).toBe("c");
  });

  it("is not queued in a group without a queue", () => {
    expect(told(run([request("a"), request("c", { hold: "1" })]).effects)).toEqual(["deny c"]);
  });
});

describe("floor: queue", () => {
  const queue = { queue: true };
  const waiting = [request("a"), request("c", { hold: "1" }), request("d", { hold: "1", priority: 5 })];

  it("taken --request of a console--> taken: queued with its position", () => {
    expect(run(waiting, queue).effects).toEqual([
      { do: "queue", claim: claim("d", { hold: "1" }), position: 2, holder: member("a") },
    ]);
  });

  it("never queues a phone or a radio", () => {
    expect(told(run([request("a"), request("b")], queue).effects)).toEqual(["deny b"]);
    expect(told(run([request("a"), request("r", { byVoice: true })], queue).effects)).toEqual(["deny r"]);
  });

  it("taken --release--> taken by the first in the queue, who is told", () => {
    const { state, effects } = run([...waiting, release("a")], queue);
    expect(holderOf(state)).toBe("c");
    expect(told(effects)).toEqual(["rest a", "grant c"]);
    expect(effects).toContainEqual({ do: "grant", claim: claim("c", { hold: "1" }), queued: true });
  });

  it("grants a higher priority before an earlier one", () => {
    const mixed = [
      request("a", { priority: 8 }),
      request("c", { hold: "1" }),
      request("d", { hold: "1", priority: 7 }),
      release("a"),
    ];
    expect(holderOf(run(mixed, queue).state)).toBe("d");
  });

  it("keeps its place when asked again, and its lease alive by renewals", () => {
    expect(run([...waiting, request("c", { hold: "1" })], queue).effects).toMatchObject([
      { do: "queue", position: 1 },
    ]);
    const renewed = [...waiting, renew("d", "1", 4_500), release("a", undefined, 5_000)];
    expect(holderOf(run(renewed, queue).state)).toBe("d");
  });

  it("passes over a console that has not renewed, and tells it that it waits no more", () => {
    const { state, effects } = run([...waiting, release("a", undefined, 1_000 + FLOOR_LEASE_MS)], queue);
    expect(state.name).toBe("idle");
    expect(told(effects)).toEqual(["rest a", "rest c", "rest d"]);
  });

  it("forgets a console that lets go or leaves while it waits", () => {
    expect(told(run([...waiting, release("c", "1")], queue).effects)).toEqual(["rest c"]);
    const gone = run([...waiting, { type: "leave", leg: "c", nowMs: 2 }, release("a")], queue);
    expect(holderOf(gone.state)).toBe("d");
  });

  it("gives the floor to the next when the holder's limit, lease or hang time ends", () => {
    const console = [request("a", { hold: "9" }), request("c", { hold: "1" })];
    expect(holderOf(run([...console, timer("limit")], queue).state)).toBe("c");
    expect(holderOf(run([...console, timer("lease")], queue).state)).toBe("c");
    expect(
      holderOf(
        run(
          [request("r", { byVoice: true }), request("c", { hold: "1" }), release("r"), timer("hang")],
          queue,
        ).state,
      ),
    ).toBe("c");
  });

  it("tells the 51st that the group is busy", () => {
    const many = Array.from({ length: 51 }, (_, i) => request(`c${i}`, { hold: "1" }));
    expect(told(run([request("a"), ...many], queue).effects)).toEqual(["deny c50"]);
  });
});

describe("floor: whatever happens", () => {
  const legs = ["a", "b", "c"];
  const events: fc.Arbitrary<Event> = fc.oneof(
    fc
      .record({
        leg: fc.constantFrom(...legs),
        priority: fc.integer({ min: 1, max: 3 }),
        hold: fc.constantFrom("1", "2", undefined),
        byVoice: fc.boolean(),
      })
      .map(({ leg, priority, hold, byVoice }) =>
        request(leg, hold === undefined ? { priority, byVoice } : { priority, hold, byVoice: false }),
      ),
    fc
      .record({ leg: fc.constantFrom(...legs), hold: fc.constantFrom("1", "2", undefined) })
      .map(({ leg, hold }) => release(leg, hold)),
    fc
      .record({ leg: fc.constantFrom(...legs), hold: fc.constantFrom("1", "2") })
      .map(({ leg, hold }) => renew(leg, hold, 1_500)),
    fc.constantFrom(...legs).map((leg): Event => ({ type: "leave", leg, nowMs: 1_500 })),
    fc.constantFrom("limit", "limit-near", "lease", "hang").map((name) => timer(name as "limit", 1_500)),
  );

  it("has at most one talker, tells each change once, and never lets its sequence fall", () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 60 }), fc.boolean(), (list, queue) => {
        const step = floorOf({ ...policy, queue });
        let state: State = idle;
        const talking = new Set<string>();
        for (const event of list) {
          const next = step(state, event);
          if (!next) continue;
          for (const effect of next.effects) {
            if (effect.do === "grant") talking.add(effect.claim.leg);
            if (effect.do === "revoke") talking.delete(effect.claim.leg);
            if (effect.do === "rest") talking.delete(effect.leg);
          }
          if (event.type === "leave") talking.delete(event.leg);
          const before = state.name === "taken" ? [state.holder.leg, state.holder.hold] : [];
          const after = next.state.name === "taken" ? [next.state.holder.leg, next.state.holder.hold] : [];
          if (String(before) !== String(after)) expect(next.effects).toContainEqual({ do: "publish" });
          expect(next.state.seq).toBeGreaterThanOrEqual(state.seq);
          state = next.state;
          expect([...talking]).toEqual(state.name === "taken" ? [state.holder.leg] : []);
          expect(state.refused.length).toBeLessThanOrEqual(legs.length);
        }
      }),
    );
  });

  it("steps from every state on every event as drawn", () => {
    const states: Record<string, Event[]> = {
      idle: [],
      "idle, r refused": [request("a"), request("r", { byVoice: true }), release("a")],
      "a talks": [request("a")],
      "r talks": [request("r", { byVoice: true })],
      "r pauses": [request("r", { byVoice: true }), release("r")],
      "c holds": [request("c", { hold: "1" })],
      "a talks, c waits": [request("a"), request("c", { hold: "1" })],
    };
    const inputs: Record<string, Event> = {
      "a asks": request("a"),
      "r asks": request("r", { byVoice: true }),
      "c presses 1": request("c", { hold: "1" }),
      "c presses 2": request("c", { hold: "2" }),
      "chief asks": request("chief", { priority: 9 }),
      "a lets go": release("a"),
      "r pauses": release("r"),
      "c lets go 1": release("c", "1"),
      "c renews 1": renew("c", "1", 2_000),
      "a leaves": { type: "leave", leg: "a", nowMs: 2_000 },
      limit: timer("limit"),
      "limit-near": timer("limit-near"),
      lease: timer("lease"),
      hang: timer("hang"),
    };
    const rows = Object.entries(states).flatMap(([title, path]) =>
      Object.entries(inputs).map(([name, event]) => {
        const { state, effects } = run([...path, event], { queue: true });
        const waits = state.name === "taken" && state.queue.length > 0 ? ` (+${state.queue.length})` : "";
        return `${title} --${name}--> ${holderOf(state) ?? "idle"}${waits}: ${told(effects).join(", ") || "-"}`;
      }),
    );
    expect(rows.join("\n")).toMatchSnapshot();
  });
});
