import { Redis } from "ioredis";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { BUCKETS } from "#state/redis/bucket.ts";
import { connect } from "#state/redis/connection.ts";
import { startCluster } from "#test/setup/start-cluster.ts";
import { appendTraces, type TraceAppend, type TraceLimits } from "./append-traces.ts";
import { readTrace, tracedCallsOf, tracedCallsWithCallId } from "./read-trace.ts";
import type { TracedMessage } from "./trace-entry.ts";
import { traceKey, tracedKey } from "./trace.keys.ts";

const redis = new Redis(process.env["REDIS_URL"] ?? "redis://127.0.0.1:6399");
const LIMITS: TraceLimits = { keepMs: 60_000, maxCalls: 100 * BUCKETS, maxBytes: 4_000, maxEntries: 10 };
let call = "";
let made = 0;

const newCall = (): string =>
  `0h${(++made).toString(36).padStart(4, "0")}${Date.now().toString(36)}trace0000`;
const message = (change: Partial<TracedMessage> = {}): TracedMessage => ({
  type: "message", atUs: 1_000, instance: "one", direction: "in", transport: "udp", peer: "192.0.2.1:5060",
  local: "192.0.2.9:5060", again: false, text: "BYE sip:a SIP/2.0\r\nX: \u00e9\r\n\r\n", ...change,
}); // prettier-ignore
const append = (change: Partial<TraceAppend> = {}): TraceAppend => ({
  call, callId: `${call}@phone`, startMs: 5, entries: [message()], ...change,
}); // prettier-ignore

beforeEach(async () => {
  call = newCall();
  await redis.del(tracedKey(call));
});
afterAll(async () => {
  await redis.quit();
});

describe("append-traces.lua", () => {
  it("gives back what two instances wrote, in the order of time", async () => {
    const mark = { type: "mark", atUs: 1_500, instance: "two", mark: "adopted", detail: "one" } as const;
    await appendTraces(redis, "one", [append({ entries: [message(), message({ atUs: 2_000, again: true, direction: "out" })] })], LIMITS); // prettier-ignore
    await appendTraces(redis, "two", [append({ entries: [mark] })], LIMITS);
    await expect(readTrace(redis, call)).resolves.toEqual({
      call,
      entries: [message(), mark, message({ atUs: 2_000, again: true, direction: "out" })],
      lost: 0,
    });
  });

  it("ends by itself", async () => {
    await appendTraces(redis, "one", [append()], LIMITS);
    for (const key of [traceKey(call), tracedKey(call)]) {
      const left = await redis.pttl(key);
      expect(left).toBeGreaterThan(50_000);
      expect(left).toBeLessThanOrEqual(60_000);
    }
  });

  it.each([
    ["entries", { maxEntries: 2 }],
    ["bytes", { maxBytes: 250 }],
  ])("takes no more than its %s and counts what it refuses", async (_what, change) => {
    const limits = { ...LIMITS, ...change };
    let lost = 0;
    for (let i = 0; i < 6; i++) lost += await appendTraces(redis, "one", [append()], limits);
    const trace = await readTrace(redis, call);
    expect(trace?.entries.length).toBe(2);
    expect(trace?.lost).toBe(4);
    expect(lost).toBe(4);
  });

  it("forgets the oldest call of a bucket that holds too many", async () => {
    const limits = { ...LIMITS, maxCalls: 2 * BUCKETS };
    const calls = [newCall(), newCall(), newCall()];
    for (const each of calls) await appendTraces(redis, "one", [append({ call: each })], limits);
    const kept = await Promise.all(calls.map((each) => readTrace(redis, each)));
    expect(kept.map((trace) => trace !== undefined)).toEqual([false, true, true]);
    expect((await tracedCallsOf(redis, "0h")).map((traced) => traced.call)).toEqual([calls[2], calls[1]]);
  });

  it("writes many calls at once, the first time as well", async () => {
    await redis.script("FLUSH");
    const calls = Array.from({ length: 20 }, newCall);
    await expect(
      appendTraces(redis, "one", calls.map((each) => append({ call: each })), LIMITS),
    ).resolves.toBe(0); // prettier-ignore
    for (const each of calls) expect((await readTrace(redis, each))?.entries.length).toBe(1);
  });

  it("writes the others when one cannot be written, and says what is lost", async () => {
    const calls = [newCall(), newCall(), newCall()];
    await redis.set(traceKey(calls[1] ?? ""), "no list");
    await expect(
      appendTraces(redis, "one", calls.map((each) => append({ call: each })), LIMITS),
    ).resolves.toBe(1); // prettier-ignore
    for (const each of [calls[0], calls[2]])
      expect((await readTrace(redis, each ?? ""))?.entries.length).toBe(1);
  });

  it("writes calls of many buckets in a cluster", async () => {
    const cluster = await startCluster();
    const connection = connect(cluster.url, { log: silent });
    try {
      const calls = [newCall(), newCall().replace("0h", "1h"), newCall()];
      await expect(
        appendTraces(connection, "one", calls.map((each) => append({ call: each })), LIMITS),
      ).resolves.toBe(0); // prettier-ignore
      for (const each of calls) expect((await readTrace(connection, each))?.entries.length).toBe(1);
    } finally {
      connection.disconnect();
      await cluster.stop();
    }
  }, 20_000);
});

describe("traced calls", () => {
  it("are found by the beginning of their id, and by the Call-ID of their first message", async () => {
    await appendTraces(redis, "one", [append()], LIMITS);
    const traced = { call, startMs: 5, callId: `${call}@phone` };
    await expect(tracedCallsOf(redis, call.slice(0, 8))).resolves.toEqual([traced]);
    await expect(tracedCallsWithCallId(redis, `${call}@phone`)).resolves.toEqual([traced]);
    await expect(tracedCallsWithCallId(redis, "nobody@phone")).resolves.toEqual([]);
    await expect(tracedCallsOf(redis, "!!")).resolves.toEqual([]);
  });

  it("has none of a call that nobody traced", async () => {
    await expect(readTrace(redis, newCall())).resolves.toBeUndefined();
  });
});
