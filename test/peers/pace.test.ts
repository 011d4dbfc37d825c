import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pace } from "./pace.ts";

let runs: number;
let stop: () => void;
/** Nothing else can run for so long while the task runs for the tenth time, in ms. */
let stallMs: number;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
  [runs, stallMs] = [0, 0];
  stop = pace(20, () => {
    if (++runs === 10) vi.advanceTimersByTime(stallMs);
  });
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

describe("a paced task", () => {
  it("begins at once and runs fifty times a second, without drift", () => {
    vi.advanceTimersByTime(0);
    expect(runs).toBe(1);
    vi.advanceTimersByTime(60_000);
    expect(runs).toBe(3_001);
  });

  it("makes up for a stall, and goes on in the old rhythm", () => {
    stallMs = 310;
    vi.advanceTimersByTime(180);
    expect(runs).toBe(25);
    vi.advanceTimersByTime(9);
    expect(runs).toBe(25);
    vi.advanceTimersByTime(1);
    expect(runs).toBe(26);
  });

  it("does not make up for a sleep of more than half a second", () => {
    stallMs = 10_000;
    vi.advanceTimersByTime(180);
    expect(runs).toBeLessThan(12);
    const before = runs;
    vi.advanceTimersByTime(1_000);
    expect(runs).toBe(before + 50);
  });

  it("runs no more once it is stopped", () => {
    vi.advanceTimersByTime(100);
    stop();
    vi.advanceTimersByTime(100);
    expect(runs).toBe(6);
  });
});
