import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import { instanceCards, instanceLeases } from "./instance.keys.ts";
import {
  announceInstance,
  clusterSecret,
  knownInstances,
  listInstances,
  watchInstances,
  withdrawInstance,
  type InstanceCard,
} from "./instance.ts";

const redis = connect(process.env["REDIS_URL"] ?? "", { log: silent });
const card = (instance: string): InstanceCard => ({
  role: "media",
  instance,
  pid: 1,
  listeners: { metrics: "127.0.0.1:1" },
  load: 0.25,
  draining: false,
});
const listed = async (prefix: string) =>
  (await listInstances(redis))
    .filter(({ instance }) => instance.startsWith(prefix))
    .map(({ instance }) => instance);

beforeEach(async () => {
  await redis.del(instanceLeases);
});
afterAll(() => {
  redis.disconnect();
});

describe("instances", () => {
  it("lists a process with its whole card while its lease runs", async () => {
    await announceInstance(redis, card("alive-1"));
    expect(await listInstances(redis)).toContainEqual(card("alive-1"));
  });

  it("does not list a process whose lease has ended", async () => {
    await announceInstance(redis, card("dead-1"));
    await redis.zadd(instanceLeases, 1, "media:dead-1");
    expect(await listed("dead-")).toEqual([]);
  });

  it("does not list a process that has withdrawn", async () => {
    await announceInstance(redis, card("left-1"));
    await withdrawInstance(redis, card("left-1"));
    expect(await listed("left-")).toEqual([]);
  });

  describe("when nobody could renew for a while, for Redis was away", () => {
    const ago = async (ms: number): Promise<number> => {
      const [seconds, microseconds] = (await redis.time()).map(Number);
      return (seconds ?? 0) * 1_000 + Math.floor((microseconds ?? 0) / 1_000) - ms;
    };
    const away = async (leases: Readonly<Record<string, number>>) => {
      for (const [instance, end] of Object.entries(leases)) {
        await announceInstance(redis, card(instance));
        await redis.zadd(instanceLeases, await ago(end), `media:${instance}`);
      }
      await redis.hset(instanceCards, "renewed", await ago(5_000));
    };

    it("takes nobody for dead whose lease ended meanwhile, until it has had the time to renew it", async () => {
      await away({ "away-lived": 4_500, "away-died-before": 5_500 });
      await announceInstance(redis, card("away-first"));
      expect((await listed("away-")).toSorted()).toEqual(["away-first", "away-lived"]);
    });

    it("lets a lease run on once", async () => {
      await away({ "once-died": 4_500 });
      await announceInstance(redis, card("once-first"));
      expect(await listed("once-")).toContain("once-died");
      const score = await redis.zscore(instanceLeases, "media:once-died");
      await redis.zadd(instanceLeases, Number(score) - 5_000, "media:once-died");
      await redis.hset(instanceCards, "renewed", await ago(6_000));
      await announceInstance(redis, card("once-first"));
      expect(await listed("once-")).toEqual(["once-first"]);
    });

    it("does so only then: a lease that ends while others renew is over", async () => {
      await announceInstance(redis, card("soon-died"));
      await redis.zadd(instanceLeases, await ago(100), "media:soon-died");
      await redis.hset(instanceCards, "renewed", await ago(500));
      await announceInstance(redis, card("soon-first"));
      expect(await listed("soon-")).toEqual(["soon-first"]);
    });
  });

  it("remembers who was alive at the last renewal, so that looking often asks nothing", async () => {
    const own = connect(process.env["REDIS_URL"] ?? "", { log: silent });
    await announceInstance(redis, card("peer-1"));
    await announceInstance(own, card("self-1"));
    const known = (await knownInstances(own)).map(({ instance }) => instance);
    expect(known).toEqual(expect.arrayContaining(["peer-1", "self-1"]));
    own.disconnect();
    await expect(knownInstances(own)).resolves.toHaveLength(known.length);
  });

  it("tells of each renewal, so that nobody looks at the news of the one before", async () => {
    const own = connect(process.env["REDIS_URL"] ?? "", { log: silent });
    const seen: string[][] = [];
    const stop = watchInstances(own, () => {
      void knownInstances(own).then((cards) => seen.push(cards.map(({ instance }) => instance)));
    });
    await announceInstance(own, card("self-2"));
    stop();
    await announceInstance(own, card("self-2"));
    own.disconnect();
    expect(seen).toEqual([["self-2"]]);
  });

  it("asks when this connection has not renewed", async () => {
    await announceInstance(redis, card("other-1"));
    const stranger = connect(process.env["REDIS_URL"] ?? "", { log: silent });
    expect((await knownInstances(stranger)).map(({ instance }) => instance)).toContain("other-1");
    stranger.disconnect();
  });

  it("gives every process the same secret, whoever asks first", async () => {
    const [first, second] = await Promise.all([clusterSecret(redis), clusterSecret(redis)]);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(second).toBe(first);
  });
});
