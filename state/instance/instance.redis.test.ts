import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import { instanceLeases } from "./instance.keys.ts";
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
