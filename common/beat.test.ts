import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { everyBeat } from "./beat.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 10_123 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("everyBeat", () => {
  it("runs at whole multiples of its interval, whenever it was started", () => {
    const at: number[] = [];
    const stop = everyBeat(500, () => at.push(Date.now()));
    vi.advanceTimersByTime(2_000);
    stop();
    expect(at).toEqual([10_500, 11_000, 11_500, 12_000]);
  });

  it("goes on when a task throws away a beat by being slow", () => {
    const at: number[] = [];
    const stop = everyBeat(500, () => {
      at.push(Date.now());
      vi.setSystemTime(Date.now() + 700);
    });
    vi.advanceTimersByTime(1_000);
    stop();
    expect(at.length).toBeGreaterThan(1);
  });

  it("does nothing after it was ended, twice too", () => {
    const task = vi.fn();
    const stop = everyBeat(500, task);
    stop();
    stop();
    vi.advanceTimersByTime(2_000);
    expect(task).not.toHaveBeenCalled();
  });
});
