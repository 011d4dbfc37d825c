import { Redis } from "ioredis";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { callKey, cdrKey, dueKey } from "./call.keys.ts";
import { commitStep, type CommitRequest } from "./commit-step.ts";
import { forgetDue } from "./forget-due.ts";
import { popDue } from "./pop-due.ts";
import { loadCall } from "./stored-call.ts";

const redis = new Redis(process.env["REDIS_URL"] ?? "redis://127.0.0.1:6399");
let call = "";
let made = 0;

beforeEach(async () => {
  call = `07call${++made}x${Date.now().toString(36)}`;
  await redis.del(dueKey(call), cdrKey(call));
});
afterAll(async () => {
  await redis.quit();
});

const commit = (change: Partial<CommitRequest>) =>
  commitStep(redis, {
    call,
    expected: undefined,
    next: { revision: "aaaa0001", body: "{}" },
    ttlMs: 5_000,
    dueAtMs: undefined,
    details: [],
    ...change,
  });

describe("commit-step.lua", () => {
  it("creates a record where there is none, with a limit to its life", async () => {
    await expect(commit({})).resolves.toEqual({ outcome: "committed" });
    await expect(loadCall(redis, call)).resolves.toEqual({ revision: "aaaa0001", body: "{}" });
    expect(await redis.pttl(callKey(call))).toBeGreaterThan(4_000);
  });

  it("refuses to create over a record and returns it", async () => {
    await commit({});
    await expect(commit({ next: { revision: "bbbb0001", body: "[]" } })).resolves.toEqual({
      outcome: "conflict",
      current: { revision: "aaaa0001", body: "{}" },
    });
  });

  it("replaces the revision that was read", async () => {
    await commit({});
    await expect(
      commit({ expected: "aaaa0001", next: { revision: "bbbb0002", body: "[]" } }),
    ).resolves.toEqual({
      outcome: "committed",
    });
  });

  it("tells that the record has gone", async () => {
    await expect(commit({ expected: "aaaa0001" })).resolves.toEqual({
      outcome: "conflict",
      current: undefined,
    });
  });

  it("takes its own revision for success, so that a lost reply does no harm", async () => {
    await commit({ details: ['{"n":1}'] });
    await expect(commit({ details: ['{"n":1}'] })).resolves.toEqual({ outcome: "committed" });
    expect(await redis.xlen(cdrKey(call))).toBe(1);
  });

  it("writes nothing at a conflict: neither due time nor detail record", async () => {
    await commit({});
    await commit({ expected: "zzzz0000", dueAtMs: 1, details: ['{"n":1}'] });
    expect(await redis.zscore(dueKey(call), call)).toBeNull();
    expect(await redis.xlen(cdrKey(call))).toBe(0);
  });

  it("keeps the due time until a commit has none", async () => {
    await commit({ dueAtMs: 12_345 });
    expect(await redis.zscore(dueKey(call), call)).toBe("12345");
    await commit({ expected: "aaaa0001" });
    expect(await redis.zscore(dueKey(call), call)).toBeNull();
  });

  it("deletes the record and appends its detail records in one", async () => {
    await commit({});
    await commit({ expected: "aaaa0001", next: undefined, details: ['{"n":1}', '{"n":2}'] });
    await expect(loadCall(redis, call)).resolves.toBeUndefined();
    const entries = await redis.xrange(cdrKey(call), "-", "+");
    expect(entries.map(([, fields]) => fields)).toEqual([
      ["cdr", '{"n":1}'],
      ["cdr", '{"n":2}'],
    ]);
  });
});

describe("pop-due.lua", () => {
  const pop = (limit = 10) => popDue(redis, { due: dueKey(call) }, { graceMs: 100, leaseMs: 5_000, limit });

  it("takes what is overdue and leaves the rest, whose time it tells", async () => {
    const soon = Date.now() + 60_000;
    await redis.zadd(dueKey(call), Date.now() - 1_000, "late", soon, "early");
    await expect(pop()).resolves.toMatchObject({ calls: ["late"] });
    await redis.zrem(dueKey(call), "late");
    await expect(pop()).resolves.toEqual({ calls: [], nextAtMs: soon });
  });

  it("gives a call to one process only until its lease ends", async () => {
    await redis.zadd(dueKey(call), Date.now() - 1_000, call);
    await expect(pop()).resolves.toMatchObject({ calls: [call] });
    await expect(pop()).resolves.toMatchObject({ calls: [] });
  });

  it("takes no more than the limit", async () => {
    await redis.zadd(dueKey(call), 1, "a", 2, "b", 3, "c");
    await expect(pop(2)).resolves.toMatchObject({ calls: ["a", "b"], nextAtMs: 3 });
  });

  it("tells of an empty bucket", async () => {
    await expect(pop()).resolves.toEqual({ calls: [], nextAtMs: undefined });
  });

  it("forgets a call whose record has gone", async () => {
    await redis.zadd(dueKey(call), 1, call);
    await forgetDue(redis, call);
    await expect(pop()).resolves.toEqual({ calls: [], nextAtMs: undefined });
  });
});
