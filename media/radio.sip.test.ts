import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GroupPolicy } from "#common/media-control.ts";
import { cleanTone } from "#test/peers/audio/clean-tone.ts";
import { toneOverRestDb } from "#test/peers/audio/measures.ts";
import { speechSample, sampleSource, toneSource } from "#test/peers/audio/sources.ts";
import { speechCorrelation } from "#test/peers/audio/speech.ts";
import { joinPhone, startMediaFixture, type MediaFixture } from "./testing/media-fixture.ts";
import { fullDuplex, halfDuplex } from "./testing/policies.ts";
import { joinRadio } from "./testing/test-radio.ts";

const RATE = 8_000;
let media: MediaFixture;
beforeAll(async () => {
  media = await startMediaFixture();
});
afterAll(async () => {
  await media.close();
});

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const holder = async ({ id }: GroupPolicy) => {
  const { floor } = await media.snapshot(id);
  return floor.state === "taken" ? floor.leg : undefined;
};
const waitForHolder = (group: GroupPolicy, leg: string | undefined) =>
  expect.poll(() => holder(group)).toBe(leg);

describe("a radio in a half-duplex group", () => {
  it("is heard by a phone and another radio while its squelch is open", async () => {
    const group = halfDuplex("rd-heard");
    const [radio, other, alice] = await Promise.all([
      joinRadio(media, group, "engine-5"),
      joinRadio(media, group, "engine-6"),
      joinPhone(media, group, "alice"),
    ]);
    radio.key(toneSource(1_000));
    await waitForHolder(group, radio.leg);
    const fromMs = Date.now() + 100;
    for (const heard of [alice.rtp.heard, other.heard]) await cleanTone(heard, 1_000, { fromMs, ms: 800 });
    expect(radio.heard.frames).toBe(0);
    radio.unkey();
    await waitForHolder(group, undefined);
    await alice.rtp.heard.quiet();
    await Promise.all([radio.leave(), other.leave(), alice.leave()]);
  });

  it("is keyed while a phone talks, hears its speech, and is unkeyed three times over at the end", async () => {
    const group = halfDuplex("rd-keyed");
    const [radio, alice] = await Promise.all([
      joinRadio(media, group, "engine-5"),
      joinPhone(media, group, "alice"),
    ]);
    expect(radio.flags.some(({ ptt }) => ptt)).toBe(false);
    await media.digit(alice.leg, "*");
    const from = Date.now();
    await alice.rtp.play(sampleSource(speechSample()));
    await radio.heard.quiet();
    expect(speechCorrelation(speechSample(), radio.heard.since(from), RATE)).toBeGreaterThan(0.8);
    expect(radio.flags.at(-1)?.ptt).toBe(true);
    await media.digit(alice.leg, "#");
    await expect.poll(() => radio.flags.slice(-3).map(({ ptt }) => ptt)).toEqual([false, false, false]);
    await Promise.all([radio.leave(), alice.leave()]);
  });

  it("is told that its audio is not taken when another talks, until it unkeys", async () => {
    const group = halfDuplex("rd-refused");
    const [radio, alice, bob] = await Promise.all([
      joinRadio(media, group, "engine-5"),
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    await media.digit(alice.leg, "*");
    void alice.rtp.play(toneSource(1_000));
    radio.key(toneSource(1_700));
    await expect.poll(() => radio.flags.at(-1)).toMatchObject({ muted: true });
    const heard = await bob.rtp.heard.atLeast(500, Date.now());
    expect(toneOverRestDb(heard, RATE, 1_700)).toBeLessThan(-20);
    await media.digit(alice.leg, "#");
    await wait(300);
    // A late talker is not let in halfway through its sentence.
    expect(await holder(group)).toBeUndefined();
    radio.unkey();
    await expect.poll(() => radio.flags.at(-1)).toMatchObject({ muted: false });
    radio.key(toneSource(1_700));
    await waitForHolder(group, radio.leg);
    await Promise.all([radio.leave(), alice.leave(), bob.leave()]);
  });

  it("keeps the floor through a flutter of its squelch", async () => {
    const group = halfDuplex("rd-flutter", { hangMs: 1_500 });
    const [radio, bob] = await Promise.all([
      joinRadio(media, group, "engine-5"),
      joinPhone(media, group, "bob"),
    ]);
    const events = await media.events(group.id);
    for (let i = 0; i < 3; i++) {
      radio.key(toneSource(1_000));
      await wait(150);
      radio.unkey();
      await wait(150);
    }
    await waitForHolder(group, undefined);
    expect(events.filter(({ type }) => type === "floor")).toHaveLength(2);
    await Promise.all([radio.leave(), bob.leave()]);
  });

  it("loses the floor when its bridge dies keyed, and its leg after five seconds", async () => {
    const group = halfDuplex("rd-dies", { hangMs: 100 });
    const [radio, bob] = await Promise.all([
      joinRadio(media, group, "engine-5"),
      joinPhone(media, group, "bob"),
    ]);
    const events = await media.events(group.id);
    radio.key(toneSource(1_000));
    await waitForHolder(group, radio.leg);
    radio.vanish();
    await waitForHolder(group, undefined);
    await expect
      .poll(() => events)
      .toContainEqual({
        type: "leg-ended",
        group: group.id,
        leg: radio.leg,
        reason: "silent",
      });
    expect((await media.snapshot(group.id)).participants.map(({ leg }) => leg)).toEqual([bob.leg]);
    await Promise.all([radio.leave(), bob.leave()]);
  });
});

describe("a radio in a full-duplex group", () => {
  it("is mixed with a phone for a third, and hears the phone", async () => {
    const group = fullDuplex("rd-full");
    const [radio, alice, bob] = await Promise.all([
      joinRadio(media, group, "engine-5"),
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    radio.key(toneSource(700));
    void alice.rtp.play(toneSource(1_300));
    await bob.rtp.heard.atLeast(300);
    const fromMs = Date.now() + 150;
    await cleanTone(radio.heard, 1_300, { fromMs, ms: 600 });
    await cleanTone(alice.rtp.heard, 700, { fromMs, ms: 600 });
    await Promise.all([radio.leave(), alice.leave(), bob.leave()]);
  });
});
