import { describe, expect, it } from "vitest";
import type { Clock } from "#common/clock.ts";
import { createSourceGuard } from "./source-guard.ts";

const limits = { messagesPerSecond: 3, malformedPerWindow: 2, windowMs: 1_000, banMs: 5_000 };

function guardAt(startMs = 10_000) {
  let nowMs = startMs;
  const clock: Clock = { now: () => nowMs, after: () => () => undefined };
  const guard = createSourceGuard(clock, limits);
  return { guard, pass: (ms: number) => (nowMs += ms) };
}

describe("source guard", () => {
  it("reads so many messages a second from one address, and the next second again", () => {
    const { guard, pass } = guardAt();
    const verdicts = Array.from({ length: 4 }, () => guard.admit("192.0.2.1"));
    expect(verdicts).toEqual(["read", "read", "read", "rate-limited"]);
    expect(guard.admit("192.0.2.2")).toBe("read");
    pass(1_000);
    expect(guard.admit("192.0.2.1")).toBe("read");
  });

  it("bans an address that sends garbage, for a while", () => {
    const { guard, pass } = guardAt();
    for (let i = 0; i < 3; i++) guard.malformed("192.0.2.1");
    expect(guard.admit("192.0.2.1")).toBe("banned");
    expect(guard.admit("192.0.2.2")).toBe("read");
    pass(5_000);
    expect(guard.admit("192.0.2.1")).toBe("read");
  });

  it("forgives a malformed message now and then", () => {
    const { guard, pass } = guardAt();
    for (let i = 0; i < 10; i++) {
      guard.malformed("192.0.2.1");
      pass(1_000);
    }
    expect(guard.admit("192.0.2.1")).toBe("read");
  });
});
