import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createSilenceWatch } from "./silence-watch.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("tells once that nothing comes from the microphone, and once that it does again", () => {
  let level = 0;
  const told: boolean[] = [];
  const silence = createSilenceWatch(
    () => level,
    (silent) => told.push(silent),
  );
  silence.watch(true);
  vi.advanceTimersByTime(10_000);
  level = 0.5;
  vi.advanceTimersByTime(200);
  expect(told).toEqual([true, false]);
  silence.close();
});

it("does not mind the pauses of speech", () => {
  let level = 0.5;
  const told: boolean[] = [];
  const silence = createSilenceWatch(
    () => level,
    (silent) => told.push(silent),
  );
  silence.watch(true);
  for (let i = 0; i < 10; i++) {
    level = i % 2 === 0 ? 0 : 0.5;
    vi.advanceTimersByTime(3_000);
  }
  expect(told).toEqual([]);
  silence.close();
});

it("listens only on air, and takes its word back at the release", () => {
  const told: boolean[] = [];
  const silence = createSilenceWatch(
    () => 0,
    (silent) => told.push(silent),
  );
  vi.advanceTimersByTime(10_000);
  silence.watch(true);
  vi.advanceTimersByTime(5_000);
  silence.watch(false);
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual([true, false]);
});
