import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeEach, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { announceInstance, withdrawInstance, type InstanceCard } from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
import { placementKey } from "#state/talk-group/talk-group.keys.ts";
import { createPlacement } from "./place.ts";

const redis = connect(process.env["REDIS_URL"] ?? "", { log: silent });
const mediaCard = (load: number): InstanceCard => ({
  role: "media",
  instance: `media-${randomUUID()}`,
  pid: 1,
  listeners: {},
  load,
  draining: false,
});
let [first, second] = [mediaCard(-2), mediaCard(-1)];
let group = "";

beforeEach(async () => {
  group = `group-${randomUUID()}`;
  [first, second] = [mediaCard(-2), mediaCard(-1)];
  for (const card of [second, first]) await announceInstance(redis, card);
});
afterEach(async () => {
  for (const card of [first, second]) await withdrawInstance(redis, card);
});
afterAll(() => {
  redis.disconnect();
});

/** A renewal of a lease over the connection brings the list of the living. */
const renew = () => announceInstance(redis, second);
const moveTo = (instance: string) => redis.set(placementKey(group), JSON.stringify({ instance, epoch: 9 }));

it("finds a group where it was while its instance lives, without asking for it again", async () => {
  const place = createPlacement(redis, { now: () => 0 });
  expect(await place(group)).toBe(first.instance);
  await redis.del(placementKey(group));
  expect(await place(group)).toBe(first.instance);
  expect(await redis.exists(placementKey(group))).toBe(0);
});

it("finds another instance for a group once the one that it was on is not among the living", async () => {
  const place = createPlacement(redis, { now: () => 0 });
  expect(await place(group)).toBe(first.instance);
  await withdrawInstance(redis, first);
  expect(await place(group)).toBe(first.instance);
  await renew();
  expect(await place(group)).toBe(second.instance);
});

it("asks anew for a group whose instance did not answer", async () => {
  const [one, other] = [createPlacement(redis, { now: () => 0 }), createPlacement(redis, { now: () => 0 })];
  expect(await one(group)).toBe(first.instance);
  await withdrawInstance(redis, first);
  expect(await other(group, true)).toBe(second.instance);
  expect(await one(group)).toBe(first.instance);
  expect(await one(group, true)).toBe(second.instance);
});

it("asks anew after a minute, long before Redis forgets a place that nobody asks for", async () => {
  let nowMs = 0;
  const place = createPlacement(redis, { now: () => nowMs });
  await place(group);
  await moveTo(second.instance);
  nowMs = 59_000;
  expect(await place(group)).toBe(first.instance);
  nowMs = 61_000;
  expect(await place(group)).toBe(second.instance);
});

it("asks anew after the connection to Redis was lost, for what was written last may be lost too", async () => {
  const own = connect(process.env["REDIS_URL"] ?? "", { log: silent });
  const place = createPlacement(own, { now: () => 0 });
  expect(await place(group)).toBe(first.instance);
  await moveTo(second.instance);
  expect(await place(group)).toBe(first.instance);
  const ready = new Promise((resolve) => own.once("ready", resolve));
  own.disconnect(true);
  await ready;
  expect(await place(group)).toBe(second.instance);
  own.disconnect();
});
