import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { dueKey } from "#state/call/call.keys.ts";
import { silent } from "#common/log.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { newCallId } from "./ids.ts";
import { Sweeper } from "./sweeper.ts";

// A server of its own: a sweeper takes whatever is due, also what other tests left.
let server: RedisServer;
let redis: Redis;
let sweeper: Sweeper | undefined;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterEach(async () => {
  await sweeper?.close();
});
afterAll(async () => {
  await redis.quit();
  await server.stop();
});

function start(instances: () => string[]) {
  const adopted: { call: string; workerLives: boolean }[] = [];
  sweeper = new Sweeper({
    instance: "me",
    redis,
    log: silent,
    metrics: { redisRoundTrip: () => undefined, dueLag: () => undefined },
    listInstances: () =>
      Promise.resolve(instances().map((instance) => ({ role: "edge" as const, instance }))),
    adopt(call, alive) {
      adopted.push({ call, workerLives: alive("other") });
      return redis.zrem(dueKey(call), call).then(() => undefined);
    },
  });
  return adopted;
}

describe("calls that nobody works on", () => {
  it("are found at the start when they are overdue", async () => {
    const call = newCallId();
    await redis.zadd(dueKey(call), Date.now() - 5_000, call);
    const adopted = start(() => ["me"]);
    await expect.poll(() => adopted, { timeout: 5_000 }).toContainEqual({ call, workerLives: false });
  });

  it("are looked at when an instance goes, also those that fall due a little later", async () => {
    const call = newCallId();
    let instances = ["me", "other"];
    const list = vi.fn(() => instances);
    const adopted = start(list);
    await expect.poll(() => list.mock.calls.length, { timeout: 5_000 }).toBeGreaterThan(1);
    const standing = newCallId();
    await redis.zadd(dueKey(call), Date.now() + 60_000, call);
    await redis.zadd(dueKey(standing), Date.now() + 900_000, standing);
    instances = ["me"];
    await expect.poll(() => adopted, { timeout: 5_000 }).toContainEqual({ call, workerLives: false });
    // Its next timer is far away: there is nothing to do for it before, and a death would touch every call that stands.
    expect(adopted.map((each) => each.call)).not.toContain(standing);
    await redis.zrem(dueKey(standing), standing);
  });

  it("are left alone before their time while everybody lives, and no set is read for it", async () => {
    const call = newCallId();
    const list = vi.fn(() => ["me", "other"]);
    const read = vi.spyOn(redis, "zrangebyscore");
    const adopted = start(list);
    await expect.poll(() => list.mock.calls.length, { timeout: 5_000 }).toBeGreaterThan(1);
    const reads = read.mock.calls.length;
    await redis.zadd(dueKey(call), Date.now() + 600_000, call);
    await expect.poll(() => list.mock.calls.length, { timeout: 5_000 }).toBeGreaterThan(3);
    expect(adopted.map((each) => each.call)).not.toContain(call);
    expect(read.mock.calls.length).toBe(reads);
    await redis.zrem(dueKey(call), call);
  });
});
