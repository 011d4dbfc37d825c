import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { toneSource } from "#test/peers/audio/sources.ts";
import { joinPhone, startMediaFixture, type MediaFixture } from "./testing/media-fixture.ts";
import { fullDuplex } from "./testing/policies.ts";

const workers: Worker[] = [];
const remember = (worker: Worker) => workers.push(worker);
let media: MediaFixture;

beforeAll(async () => {
  process.on("worker", remember);
  media = await startMediaFixture();
});
afterAll(async () => {
  process.off("worker", remember);
  await media.close();
});

describe("a media thread that dies", () => {
  it("ends its legs for signaling, and another takes new ones", async () => {
    const group = fullDuplex("td-group");
    const events = await media.events(group.id);
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    await Promise.all(workers.map((worker) => worker.terminate()));
    const ended = (leg: string) => ({ type: "leg-ended", group: group.id, leg, reason: "media-failed" });
    for (const { leg } of [alice, bob]) await expect.poll(() => events).toContainEqual(ended(leg));
    await vi.waitFor(async () => {
      const again = await joinPhone(media, group, "carol");
      await again.leave();
    }, 10_000);
    const [dan, eve] = await Promise.all([joinPhone(media, group, "dan"), joinPhone(media, group, "eve")]);
    void dan.rtp.play(toneSource(1_000));
    await eve.rtp.heard.atLeast(200);
    for (const { rtp } of [alice, bob, dan, eve]) rtp.close();
  });
});
