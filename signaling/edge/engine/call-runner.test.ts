import { describe, expect, it, vi } from "vitest";
import { Registry } from "prom-client";
import { silent } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { SipHandler } from "#signaling/sip-port/sip-port.ts";
import { CallCache } from "./call-cache.ts";
import { CallRunner, type Job } from "./call-runner.ts";
import { newCallId } from "./ids.ts";
import { createEdgeMetrics } from "./metrics.ts";
import { encodeBody, emptyCall } from "./record.ts";
import { NO_WITNESS } from "./witness.ts";

const call = newCallId();

/** A runner over a Redis of one key, whose next commits may be made to fail. */
function setUp() {
  let stored: string | undefined;
  let nowMs = 1_000;
  const intruders: string[] = [];
  const evalsha = vi.fn((...args: unknown[]): Promise<string | string[]> => {
    const [, , , , , , expected, value] = args as string[];
    const intruder = intruders.shift();
    if (intruder === "error") return Promise.reject(new Error("connection lost"));
    if (intruder !== undefined) stored = intruder;
    if ((stored?.slice(0, 8) ?? "") !== expected)
      return Promise.resolve(stored === undefined ? ["conflict"] : ["conflict", stored]);
    stored = value;
    return Promise.resolve("committed");
  });
  const get = vi.fn(() => Promise.resolve(stored ?? null));
  const sent: string[] = [];
  const landed: string[] = [];
  const runner = new CallRunner({
    witness: NO_WITNESS,
    instance: "one",
    redis: { evalsha, get } as unknown as RedisConnection,
    cache: new CallCache(),
    context: () => ({ nowMs, advertised: () => "h:1" }),
    resolve: () => Promise.resolve(),
    metrics: createEdgeMetrics(new Registry()),
    log: silent,
    send: (_call, { text }) => sent.push(text),
    settled: () => undefined,
    returned: () => undefined,
    landed: (call) => landed.push(call),
    unsure: () => undefined,
    followUp: () => undefined,
    followed: () => undefined,
  });
  return {
    runner, evalsha, get, sent, intruders, landed,
    get stored() { return stored; },
    /** Redis has this record from now on: an older one, or none. */
    goBackTo(record: string | undefined) { stored = record; },
    pass(ms: number) { nowMs += ms; },
    /** Counts on, from whatever the record has. */
    count: (read: Job["read"] = "cached") =>
      runner.run({
        call, read,
        decide: () => ({
          async work(step) {
            const state = await step.load<{ count: number }>();
            step.save({ count: (state?.count ?? 0) + 1 });
          },
        }),
      }),
  }; // prettier-ignore
}
const countIn = (stored: string | undefined): unknown =>
  (JSON.parse(stored?.split("\n")[1] ?? "{}") as { count?: number }).count;
const other = (count: number, revision = `other${count.toString().padStart(3, "0")}`): string =>
  revision + encodeBody({ record: { ...emptyCall(call), worker: "two" }, state: { count } });
const flow = { transport: "udp", host: "h", port: 1 } as const;

describe("a step of a call", () => {
  it("sends nothing before it is committed", async () => {
    const { runner, evalsha, sent } = setUp();
    evalsha.mockImplementationOnce(() => {
      expect(sent).toEqual([]);
      return Promise.resolve("committed");
    });
    await runner.run({
      call,
      read: "fresh",
      decide: (draft) => {
        draft.state = {};
        draft.send({ flow, text: "hello", method: "X", status: 0 });
        return undefined;
      },
    });
    expect(sent).toEqual(["hello"]);
  });

  it("does what its commit takes for done before it, and again when it is decided again", async () => {
    const { runner, evalsha, intruders } = setUp();
    intruders.push(other(1));
    const commits: number[] = [];
    await runner.run({
      call,
      read: "fresh",
      decide: (draft) => {
        draft.state = { mine: true };
        draft.ahead.push(() => Promise.resolve(void commits.push(evalsha.mock.calls.length)));
        return undefined;
      },
    });
    expect(commits).toEqual([0, 1]);
  });

  it("is not committed when what its commit takes for done cannot be done", async () => {
    const { runner, evalsha, sent } = setUp();
    const step = runner.run({
      call,
      read: "fresh",
      decide: (draft) => {
        draft.state = {};
        draft.ahead.push(() => Promise.reject(new Error("Redis is away")));
        draft.send({ flow, text: "hello", method: "X", status: 0 });
        return undefined;
      },
    });
    await expect(step).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
    expect([evalsha.mock.calls, sent]).toEqual([[], []]);
  });

  it("is done again on what the winner of a race wrote, without another read", async () => {
    const { runner, get, intruders } = setUp();
    intruders.push(other(7));
    const seen: unknown[] = [];
    await runner.run({
      call,
      read: "fresh",
      decide: () => ({
        async work(step) {
          const state = await step.load<{ count: number }>();
          seen.push(state?.count);
          step.save({ count: (state?.count ?? 0) + 1 });
        },
      }),
    });
    expect(seen).toEqual([undefined, 7]);
    expect(get).not.toHaveBeenCalled();
  });

  it("is given up after five races and says so", async () => {
    const { runner, intruders, sent } = setUp();
    intruders.push(...[1, 2, 3, 4, 5, 6].map((count) => other(count)));
    const step = runner.run({
      call,
      read: "fresh",
      decide: (draft) => void (draft.state = { ...(draft.state as object), more: true }),
    });
    await expect(step).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
    expect(sent).toEqual([]);
  });

  it("that would write nothing is checked against the record, since the copy may be old", async () => {
    const { runner, get, intruders } = setUp();
    await runner.run({ call, read: "fresh", decide: (draft) => void (draft.state = {}) });
    intruders.push(other(1));
    const decide = vi.fn(() => undefined);
    await runner.run({ call, read: "cached", decide });
    expect(get).toHaveBeenCalledTimes(1);
    expect(decide).toHaveBeenCalledTimes(2);
  });

  it("reads the record after a commit whose reply was lost", async () => {
    const { runner, get, intruders } = setUp();
    intruders.push("error");
    await expect(
      runner.run({ call, read: "fresh", decide: (draft) => void (draft.state = {}) }),
    ).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
    await runner.run({ call, read: "cached", decide: (draft) => void (draft.state = {}) });
    expect(get).toHaveBeenCalledTimes(1);
  });

  it("that had no reply and was done all the same is told of at the next read, once", async () => {
    const redis = setUp();
    await redis.count("fresh");
    redis.evalsha.mockImplementationOnce((...args: unknown[]) => {
      redis.goBackTo(args[7] as string);
      return Promise.reject(new Error("connection lost"));
    });
    await expect(redis.count()).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
    expect(redis.landed).toEqual([]);
    await redis.count();
    await redis.count("reload");
    expect([countIn(redis.stored), redis.landed]).toEqual([4, [call]]);
  });

  it("that had no reply and was not done is not", async () => {
    const redis = setUp();
    await redis.count("fresh");
    redis.intruders.push("error");
    await expect(redis.count()).rejects.toMatchObject({ code: "STATE_UNAVAILABLE" });
    await redis.count();
    expect([countIn(redis.stored), redis.landed]).toEqual([2, []]);
  });

  it("waits for the one before it on the same call", async () => {
    const { runner } = setUp();
    const order: string[] = [];
    const work = (name: string) => ({
      work: async () => {
        order.push(`${name} begins`);
        await Promise.resolve();
        order.push(`${name} ends`);
      },
    });
    await Promise.all([
      runner.run({ call, read: "reload", decide: () => work("a") }),
      runner.run({ call, read: "reload", decide: () => work("b") }),
    ]);
    expect(order).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  });

  it("goes on without call control when that throws, and keeps what was received", async () => {
    const { runner, evalsha } = setUp();
    const handler: SipHandler = {
      onEvent: () => Promise.reject(new Error("bug")),
      onTimer: () => Promise.reject(new Error("bug")),
      recover: () => Promise.resolve(),
    };
    runner.handle(handler);
    await runner.run({
      call,
      read: "fresh",
      decide(draft) {
        draft.record = { ...draft.record, timers: {} };
        return { timer: "x" };
      },
    });
    expect(evalsha).toHaveBeenCalledTimes(1);
  });

  it("does not commit work that threw, and tells the one who asked", async () => {
    const { runner, evalsha } = setUp();
    const step = runner.run({
      call,
      read: "reload",
      decide: () => ({
        work(each) {
          each.save({});
          return Promise.reject(new Error("bug"));
        },
      }),
    });
    await expect(step).rejects.toThrow("bug");
    expect(evalsha).not.toHaveBeenCalled();
  });
});

describe("what Redis had acknowledged and lost with its master", () => {
  it.each(["cached", "reload"] as const)(
    "is written again with the next step, which goes on from it (%s)",
    async (read) => {
      const redis = setUp();
      await redis.count("fresh");
      const first = redis.stored;
      await redis.count();
      redis.goBackTo(first);
      await redis.count(read);
      expect(countIn(redis.stored)).toBe(3);
      redis.goBackTo(undefined);
      await redis.count(read);
      expect(countIn(redis.stored)).toBe(4);
    },
  );

  it("is written again by a look at it, with the detail records that went along, and by that alone", async () => {
    const redis = setUp();
    await redis.runner.run({ call, read: "fresh", decide: () => ({ work(step) { step.save({ count: 1 }); step.cdr({ call: "x" }); return Promise.resolve(); } }) }); // prettier-ignore
    redis.goBackTo(undefined);
    const look = () => redis.runner.run({ call, read: "reload", decide: () => undefined });
    await look();
    expect(countIn(redis.stored)).toBe(1);
    expect(redis.evalsha.mock.lastCall?.at(-1)).toBe('{"call":"x"}');
    const commits = redis.evalsha.mock.calls.length;
    await look();
    expect(redis.evalsha.mock.calls.length).toBe(commits);
  });

  it("gives way to a later step of another instance", async () => {
    const redis = setUp();
    await redis.count("fresh");
    const { stored = "" } = redis;
    redis.goBackTo(
      stored.replace(/^.{8}/, "other000").replace('"steps":1', '"steps":2').replace('"count":1', '"count":7'),
    );
    await redis.count();
    expect(countIn(redis.stored)).toBe(8);
  });

  it("is not what has gone by itself because nobody touched it for long enough", async () => {
    const redis = setUp();
    await redis.count("fresh");
    redis.goBackTo(undefined);
    redis.pass(40_000);
    await redis.count("reload");
    expect(countIn(redis.stored)).toBe(1);
  });

  it("may be known to another: for a second after Redis is back, what is not there is not taken for gone", async () => {
    const redis = setUp();
    redis.runner.returned();
    await expect(redis.runner.run({ call, read: "cached", decide: () => undefined })).rejects.toMatchObject({
      code: "STATE_UNAVAILABLE",
    });
    await expect(redis.count("fresh")).resolves.toEqual([]);
  });
});
