import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeEach, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { announceInstance, withdrawInstance, type InstanceCard } from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
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

beforeEach(async () => {
  [first, second] = [mediaCard(-2), mediaCard(-1)];
  for (const card of [first, second]) await announceInstance(redis, card);
});
afterEach(async () => {
  for (const card of [first, second]) await withdrawInstance(redis, card);
});
afterAll(() => {
  redis.disconnect();
});

it("finds a group where it is, again as long as the list of the living is remembered", async () => {
  let nowMs = 0;
  const place = createPlacement(redis, { now: () => nowMs });
  expect(await place("fire-1")).toBe(first.instance);
  await withdrawInstance(redis, first);
  expect(await place("fire-1")).toBe(first.instance);
  nowMs += 1_000;
  expect(await place("fire-1")).toBe(second.instance);
});

it("asks anew for a group whose instance did not answer", async () => {
  const [one, other] = [createPlacement(redis, { now: () => 0 }), createPlacement(redis, { now: () => 0 })];
  expect(await one("fire-2")).toBe(first.instance);
  await withdrawInstance(redis, first);
  expect(await other("fire-2")).toBe(second.instance);
  expect(await one("fire-2")).toBe(first.instance);
  expect(await one("fire-2", true)).toBe(second.instance);
});
