import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Job } from "./call-runner.ts";
import { Journal } from "./journal.ts";

const jobOf = (call: string): Job => ({ call, read: "reload", decide: () => undefined });

let away: boolean;
let done: string[];
let dropped: unknown[];
let settled: string[];
let journal: Journal;

beforeEach(() => {
  vi.useFakeTimers();
  [away, done, dropped, settled] = [true, [], [], []];
  journal = new Journal({
    run: ({ call }) => {
      if (away) return Promise.reject(new CrossbandError(ErrorCode.StateUnavailable, "away"));
      if (call === "bad") return Promise.reject(new Error("bug"));
      done.push(call);
      return Promise.resolve();
    },
    now: Date.now,
    dropped: (error) => dropped.push(error),
    settled: (call) => settled.push(call),
  });
});
afterEach(() => {
  journal.close();
  vi.useRealTimers();
});

describe("what was answered while Redis was away", () => {
  it("is done when Redis is back, each thing once however often it was said", async () => {
    for (const name of ["a", "b", "a"]) journal.add(name, jobOf(name));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(done).toEqual([]);
    away = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(done).toEqual(["a", "b"]);
    expect(journal.size).toBe(0);
  });

  it("holds its call until the last of it is done", async () => {
    journal.add("one", jobOf("a"));
    journal.add("two", jobOf("a"));
    expect([journal.holds("a"), journal.holds("b")]).toEqual([true, false]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([journal.holds("a"), settled]).toEqual([true, []]);
    away = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect([journal.holds("a"), settled]).toEqual([false, ["a"]]);
  });

  it("is tried no more than twice a second while Redis is away, whatever waits", async () => {
    const run = vi.fn(() => Promise.reject(new CrossbandError(ErrorCode.StateUnavailable, "away")));
    const waiting = new Journal({ run, now: Date.now, dropped: () => undefined, settled: () => undefined });
    for (let i = 0; i < 100; i++) waiting.add(String(i), jobOf(String(i)));
    await vi.advanceTimersByTimeAsync(2_100);
    expect(run).toHaveBeenCalledTimes(4);
    waiting.close();
  });

  it("is given up, and said so, when it cannot be done or has waited for a quarter of an hour", async () => {
    away = false;
    journal.add("bad", jobOf("bad"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(dropped).toHaveLength(1);
    away = true;
    journal.add("late", jobOf("late"));
    await vi.advanceTimersByTimeAsync(902_000);
    expect(dropped).toHaveLength(2);
    expect(journal.size).toBe(0);
  });

  it("is refused beyond ten thousand, so that the peer keeps what we cannot", () => {
    for (let i = 0; i < 10_000; i++) expect(journal.add(String(i), jobOf(String(i)))).toBe(true);
    expect(journal.add("one more", jobOf("x"))).toBe(false);
  });
});
