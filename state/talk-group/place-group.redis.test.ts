import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import { findPlacement, placeGroup, PLACEMENT_TTL_MS, renewPlacements } from "./place-group.ts";
import { placementKey } from "./talk-group.keys.ts";

const redis = connect(process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379", { log: silent });
afterAll(async () => {
  await redis.quit();
});

const media = (instance: string, load = 0, draining = false) => ({ instance, load, draining });
const someGroup = () => `group-${randomUUID()}`;

describe("placeGroup", () => {
  it("places a new group on the least loaded instance", async () => {
    const group = someGroup();
    const placement = { instance: "m2", epoch: 1 };
    await expect(placeGroup(redis, group, [media("m1", 0.5), media("m2", 0.1)])).resolves.toEqual(placement);
    await expect(findPlacement(redis, group)).resolves.toEqual(placement);
  });

  it("keeps a group where it is while that instance lives, whatever the load", async () => {
    const group = someGroup();
    await placeGroup(redis, group, [media("m1", 0)]);
    await expect(placeGroup(redis, group, [media("m1", 0.9), media("m2", 0)])).resolves.toEqual({
      instance: "m1",
      epoch: 1,
    });
  });

  it("keeps a group on an instance that drains, but places no new one there", async () => {
    const group = someGroup();
    await placeGroup(redis, group, [media("m1")]);
    const alive = [media("m1", 0, true), media("m2", 0.9)];
    await expect(placeGroup(redis, group, alive)).resolves.toMatchObject({ instance: "m1" });
    await expect(placeGroup(redis, someGroup(), alive)).resolves.toMatchObject({ instance: "m2" });
  });

  it("moves a group from a dead instance with the next epoch", async () => {
    const group = someGroup();
    await placeGroup(redis, group, [media("m1")]);
    await expect(placeGroup(redis, group, [media("m2")])).resolves.toEqual({ instance: "m2", epoch: 2 });
  });

  it("gives everyone who asks at once the same answer", async () => {
    const group = someGroup();
    const views = [
      [media("m1"), media("m2", 1)],
      [media("m1", 1), media("m2")],
      [media("m2"), media("m1")],
    ];
    const answers = await Promise.all(views.map((alive) => placeGroup(redis, group, alive)));
    expect(new Set(answers.map((answer) => answer?.instance)).size).toBe(1);
  });

  it("says that nobody can take a group when no instance is alive, or all of them drain", async () => {
    await expect(placeGroup(redis, someGroup(), [])).resolves.toBeUndefined();
    await expect(placeGroup(redis, someGroup(), [media("m1", 0, true)])).resolves.toBeUndefined();
  });

  it("forgets a placement that nobody renews, and keeps one that is renewed", async () => {
    const group = someGroup();
    await placeGroup(redis, group, [media("m1")]);
    await redis.pexpire(placementKey(group), 50_000);
    await renewPlacements(redis, [group]);
    expect(await redis.pttl(placementKey(group))).toBeGreaterThan(PLACEMENT_TTL_MS - 10_000);
  });
});
