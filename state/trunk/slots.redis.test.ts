import { Redis } from "ioredis";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { auditSlots, CHECK_MS, claimSlot, loadOfTrunk, releaseSlot } from "./slots.ts";

const redis = new Redis(process.env["REDIS_URL"] ?? "redis://127.0.0.1:6399");
let trunk = "";
let made = 0;

beforeEach(() => {
  trunk = `trunk-${++made}-${Date.now().toString(36)}`;
});
afterAll(async () => {
  await redis.quit();
});

const claim = (call: string, limits = {}) => claimSlot(redis, trunk, call, limits);
const load = async () => (await loadOfTrunk(redis, trunk, Date.now())).calls;
const audit = (nowMs: number, all: boolean, living: readonly string[]) =>
  auditSlots(redis, trunk, nowMs, all, (call) => Promise.resolve(living.includes(call)));

describe("claim-slot.lua", () => {
  it("counts calls up to the limit, each once however often it is asked", async () => {
    expect(await claim("a", { maxCalls: 2 })).toBe("claimed");
    expect(await claim("a", { maxCalls: 2 })).toBe("claimed");
    expect(await claim("b", { maxCalls: 2 })).toBe("claimed");
    expect(await claim("c", { maxCalls: 2 })).toBe("full");
    // A call that has its place keeps it although there is no other.
    expect(await claim("a", { maxCalls: 2 })).toBe("claimed");
    expect(await load()).toBe(2);
  });

  it("gives a place back once, however often it is told", async () => {
    await claim("a", { maxCalls: 1 });
    await releaseSlot(redis, trunk, "a");
    await releaseSlot(redis, trunk, "a");
    expect(await claim("b", { maxCalls: 1 })).toBe("claimed");
    expect(await load()).toBe(1);
  });

  it("bounds the calls that begin within a second, over though they may be", async () => {
    for (const call of ["a", "b"]) {
      expect(await claim(call, { maxCallsPerSecond: 2 })).toBe("claimed");
      await releaseSlot(redis, trunk, call);
    }
    expect(await claim("c", { maxCallsPerSecond: 2 })).toBe("too-fast");
    expect(await load()).toBe(0);
    expect((await loadOfTrunk(redis, trunk, Date.now())).startsPerMinute).toBe(2);
  });

  it("gives the last places of a limit to as many as there are, whoever asks at once", async () => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, i) => claim(`c${i}`, { maxCalls: 7 })));
    expect(outcomes.filter((outcome) => outcome === "claimed")).toHaveLength(7);
  });
});

describe("audit of a trunk's calls", () => {
  it("leaves a call alone that was claimed a moment ago: its record may not be written yet", async () => {
    await claim("new");
    expect(await audit(Date.now(), true, [])).toBe(0);
    expect(await audit(Date.now(), false, [])).toBe(0);
    expect(await load()).toBe(1);
  });

  it("drops what is no more, and looks at the living again later", async () => {
    await claim("dead");
    await claim("living");
    const later = Date.now() + CHECK_MS + 1;
    expect(await audit(later, false, ["living"])).toBe(1);
    expect(await load()).toBe(1);
    await redis.del(...(await redis.keys(`*trunk-audit:${trunk}`)));
    // Seen alive just now.
    expect(await audit(later + 1_000, false, [])).toBe(0);
    await redis.del(...(await redis.keys(`*trunk-audit:${trunk}`)), "none");
    expect(await audit(later + CHECK_MS + 1, false, [])).toBe(1);
  });

  it("is done by one instance at a time, unless somebody is about to be refused", async () => {
    await claim("dead");
    const later = Date.now() + CHECK_MS + 1;
    const both = await Promise.all([audit(later, false, ["dead"]), audit(later, false, [])]);
    expect(both[0] + both[1]).toBe(0);
    expect(await audit(later + CHECK_MS, true, [])).toBe(1);
  });
});
