import { describe, expect, it } from "vitest";
import { Wheel, type Ticker } from "./wheel.ts";

function setUp() {
  let nowMs = 1_000_000;
  let running = 0;
  const fired: string[] = [];
  const ticker: Ticker = {
    every() {
      running++;
      return () => running--;
    },
  };
  const wheel = new Wheel(
    (name) => fired.push(name),
    () => nowMs,
    ticker,
  );
  return {
    wheel,
    fired,
    running: () => running,
    now: () => nowMs,
    advance: (ms: number) => {
      nowMs += ms;
      wheel.turn();
    },
  };
}

describe("wheel", () => {
  it("fires each name once, not before its time and at most a tick late", () => {
    const { wheel, fired, now, advance } = setUp();
    wheel.arm("a", now() + 250);
    advance(200);
    expect(fired).toEqual([]);
    advance(100);
    expect(fired).toEqual(["a"]);
    advance(1_000);
    expect(fired).toEqual(["a"]);
  });

  it("takes the latest deadline of a name, earlier or later", () => {
    const { wheel, fired, now, advance } = setUp();
    wheel.arm("later", now() + 100);
    wheel.arm("later", now() + 500);
    wheel.arm("sooner", now() + 500);
    wheel.arm("sooner", now() + 100);
    advance(200);
    expect(fired).toEqual(["sooner"]);
    advance(400);
    expect(fired).toEqual(["sooner", "later"]);
  });

  it("does not fire what was disarmed", () => {
    const { wheel, fired, now, advance } = setUp();
    wheel.arm("a", now() + 100);
    wheel.disarm("a");
    advance(500);
    expect(fired).toEqual([]);
  });

  it("ticks only while something is armed", () => {
    const { wheel, running, now, advance } = setUp();
    expect(running()).toBe(0);
    wheel.arm("a", now() + 100);
    expect(running()).toBe(1);
    advance(200);
    expect(running()).toBe(0);
    wheel.arm("b", now() + 100);
    expect(running()).toBe(1);
    wheel.close();
    expect(running()).toBe(0);
  });

  it("catches up after a long pause, in order", () => {
    const { wheel, fired, now, advance } = setUp();
    wheel.arm("second", now() + 60_000);
    wheel.arm("first", now() + 30_000);
    advance(3_600_000);
    expect(fired).toEqual(["first", "second"]);
  });

  it("fires what is armed for a time already past at the next tick", () => {
    const { wheel, fired, now, advance } = setUp();
    wheel.arm("a", now() - 5_000);
    advance(200);
    expect(fired).toEqual(["a"]);
  });
});
