import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "#media/testing/fake-clock.ts";
import { startBeat } from "./beat.ts";

let clock: FakeClock;
let beats: number;
let stop: () => void;
beforeEach(() => {
  clock = new FakeClock();
  beats = 0;
  stop = startBeat(clock, 20, () => beats++);
});

describe("a beat", () => {
  it("comes after each interval until it is stopped", () => {
    clock.advance(19);
    expect(beats).toBe(0);
    clock.advance(1);
    expect(beats).toBe(1);
    clock.advance(980);
    expect(beats).toBe(50);
    stop();
    clock.advance(100);
    expect(beats).toBe(50);
  });

  it("makes up for those that a stall delayed, and goes on in the old rhythm", () => {
    clock.advance(20);
    clock.stall(95);
    clock.advance(0);
    expect(beats).toBe(5);
    clock.advance(4);
    expect(beats).toBe(5);
    clock.advance(1);
    expect(beats).toBe(6);
  });

  it("leaves out those beyond 200 ms", () => {
    clock.stall(10_000);
    clock.advance(0);
    expect(beats).toBe(10);
    clock.advance(20);
    expect(beats).toBe(11);
  });

  it("stops within what it makes up for, when it is told so there", () => {
    stop();
    const stopAtOnce = startBeat(clock, 20, () => {
      beats++;
      stopAtOnce();
    });
    clock.stall(100);
    clock.advance(0);
    expect(beats).toBe(1);
  });
});
