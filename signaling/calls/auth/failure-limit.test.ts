import { describe, expect, it } from "vitest";
import { createFailureLimit } from "./failure-limit.ts";

describe("limit on wrong passwords", () => {
  const start = () => {
    const clock = { ms: 0, now: () => clock.ms };
    return { clock, limit: createFailureLimit(clock) };
  };
  const fail = (
    limit: ReturnType<typeof createFailureLimit>,
    times: number,
    host = "192.0.2.1",
    name = "alice",
  ) => {
    for (let i = 0; i < times; i++) limit.fail(host, name);
  };

  it("makes a name wait after ten failures from one address, until the minute is over", () => {
    const { clock, limit } = start();
    fail(limit, 9);
    expect(limit.waitSeconds("192.0.2.1", "alice")).toBe(0);
    fail(limit, 1);
    expect(limit.waitSeconds("192.0.2.1", "alice")).toBe(60);
    clock.ms = 60_000;
    expect(limit.waitSeconds("192.0.2.1", "alice")).toBe(0);
  });

  it("lets other names and other addresses through", () => {
    const { limit } = start();
    fail(limit, 10);
    expect(limit.waitSeconds("192.0.2.1", "bob")).toBe(0);
    expect(limit.waitSeconds("192.0.2.2", "alice")).toBe(0);
  });

  it("makes a scanner wait that tries many names", () => {
    const { limit } = start();
    for (let i = 0; i < 100; i++) limit.fail("192.0.2.1", `user${i}`);
    expect(limit.waitSeconds("192.0.2.1", "anybody")).toBeGreaterThan(0);
  });

  it("forgives a name that then gets its password right", () => {
    const { limit } = start();
    fail(limit, 9);
    limit.succeed("192.0.2.1", "alice");
    fail(limit, 1);
    expect(limit.waitSeconds("192.0.2.1", "alice")).toBe(0);
  });
});
