import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noSlots, step, SWAP_MS, type Event, type State } from "./slots.machine.ts";

const slots = (...mids: string[]): State => step(noSlots, { type: "lines", mids, nowMs: 0 }).state;
const two = slots("2", "3");
const wish = (cameras: string[], nowMs = 0): Event => ({ type: "wish", cameras, nowMs });
const run = (state: State, ...events: Event[]): State =>
  events.reduce((s, event) => step(s, event).state, state);
const seen = ({ slots }: State) => slots.map(({ camera }) => camera);

describe("video slots of a browser", () => {
  it("shows the first cameras, as many as there are slots", () => {
    const { state, effects } = step(two, wish(["a", "b", "c"]));
    expect(seen(state)).toEqual(["a", "b"]);
    expect(effects).toEqual([
      { do: "show", mid: "2", camera: "a" },
      { do: "show", mid: "3", camera: "b" },
    ]);
  });

  it("leaves a camera in its slot when only the order changes", () => {
    const { effects } = step(run(two, wish(["a", "b"])), wish(["b", "a"], 5_000));
    expect(effects).toEqual([]);
  });

  it("clears a slot at once when its camera goes", () => {
    const { state, effects } = step(run(two, wish(["a", "b"])), wish(["b"], 1));
    expect(effects).toEqual([{ do: "clear", mid: "2" }]);
    expect(seen(state)).toEqual([undefined, "b"]);
  });

  it("puts a new talker's camera in place of the least wanted", () => {
    const { effects } = step(run(two, wish(["a", "b", "c"])), wish(["c", "a", "b"], SWAP_MS));
    expect(effects).toEqual([
      { do: "clear", mid: "3" },
      { do: "show", mid: "3", camera: "c" },
    ]);
  });

  it("waits until the slot has rested, then shows the newest wish and none of those between", () => {
    const one = run(slots("2"), wish(["a"], 1_000));
    const hasty = step(one, wish(["b"], 1_100));
    expect(hasty.effects).toEqual([
      { do: "clear", mid: "2" },
      { do: "wait", ms: SWAP_MS - 100 },
    ]);
    const later = run(hasty.state, wish(["c"], 1_200), wish(["d"], 1_300));
    expect(step(later, { type: "timer", nowMs: 1_000 + SWAP_MS }).effects).toEqual([
      { do: "show", mid: "2", camera: "d" },
    ]);
  });

  it("empties a slot whose camera was lost and does not try that camera again by itself", () => {
    const { state, effects } = step(run(two, wish(["a"])), { type: "lost", mid: "2", nowMs: 1_000 });
    expect(seen(state)).toEqual([undefined, undefined]);
    expect(effects).toEqual([]);
  });

  it("clears the slots that the browser takes no more and fills them when it does again", () => {
    const held = step(run(two, wish(["a"], 0)), { type: "lines", mids: [], nowMs: 1_000 });
    expect(held.effects).toEqual([{ do: "clear", mid: "2" }]);
    const back = step(held.state, { type: "lines", mids: ["2", "3"], nowMs: 2_000 });
    expect(back.effects).toEqual([{ do: "show", mid: "2", camera: "a" }]);
  });

  it("puts a camera that comes back into its first place when that has rested", () => {
    const { effects } = step(run(two, wish(["a"], 0), wish([], 600)), wish(["a"], 700));
    expect(effects).toEqual([{ do: "show", mid: "2", camera: "a" }]);
  });

  it("holds whatever happens: no camera twice, only wished ones, no slot filled twice within the rest time", () => {
    const event = fc.oneof(
      fc.record({
        type: fc.constant("wish" as const),
        cameras: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e")),
        dt: fc.nat(800),
      }),
      fc.record({ type: fc.constant("timer" as const), dt: fc.nat(800) }),
      fc.record({ type: fc.constant("lost" as const), mid: fc.constantFrom("2", "3"), dt: fc.nat(800) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        let state = two;
        let nowMs = 0;
        const filled = new Map<string, number>();
        for (const { dt, ...rest } of events) {
          nowMs += dt;
          const next = step(state, { ...rest, nowMs });
          state = next.state;
          for (const effect of next.effects) {
            if (effect.do !== "show") continue;
            expect(nowMs - (filled.get(effect.mid) ?? -Infinity)).toBeGreaterThanOrEqual(SWAP_MS);
            filled.set(effect.mid, nowMs);
          }
          const cameras = seen(state).filter((camera) => camera !== undefined);
          expect(new Set(cameras).size).toBe(cameras.length);
          for (const camera of cameras) expect(state.wish).toContain(camera);
        }
      }),
    );
  });
});
