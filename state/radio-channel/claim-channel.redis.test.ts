import { randomUUID } from "node:crypto";
import { afterAll, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import { CHANNEL_LEASE_MS, claimChannel, nextRevision, releaseChannel } from "./claim-channel.ts";

const redis = connect(process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379", { log: silent });
afterAll(async () => {
  await redis.quit();
});
const someChannel = () => `engine-${randomUUID()}`;

it("gives a free channel to who asks first, and renews it for that one", async () => {
  const channel = someChannel();
  await expect(claimChannel(redis, channel, "a")).resolves.toEqual({ outcome: "claimed" });
  await expect(claimChannel(redis, channel, "a")).resolves.toEqual({ outcome: "renewed" });
});

it("names the holder to everyone else", async () => {
  const channel = someChannel();
  await claimChannel(redis, channel, "a");
  await expect(claimChannel(redis, channel, "b")).resolves.toEqual({ outcome: "taken", holder: "a" });
});

it("lets another take over within 2 s of the holder's last word", async () => {
  const channel = someChannel();
  await claimChannel(redis, channel, "a");
  const died = Date.now();
  await expect.poll(() => claimChannel(redis, channel, "b")).toEqual({ outcome: "claimed" });
  expect(Date.now() - died).toBeGreaterThanOrEqual(CHANNEL_LEASE_MS - 50);
  expect(Date.now() - died).toBeLessThan(2_000);
});

it("hands over at once when the holder leaves, and only then", async () => {
  const channel = someChannel();
  await claimChannel(redis, channel, "a");
  await releaseChannel(redis, channel, "b");
  await expect(claimChannel(redis, channel, "b")).resolves.toMatchObject({ outcome: "taken" });
  await releaseChannel(redis, channel, "a");
  await expect(claimChannel(redis, channel, "b")).resolves.toEqual({ outcome: "claimed" });
});

it("counts revisions up whoever attaches", async () => {
  const channel = someChannel();
  const first = await nextRevision(redis, channel);
  await expect(nextRevision(redis, channel)).resolves.toBe(first + 1);
});
