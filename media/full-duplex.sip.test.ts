import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cleanTone } from "#test/peers/audio/clean-tone.ts";
import { isSilent, rmsDb, tonePower } from "#test/peers/audio/measures.ts";
import { speechSample, sampleSource, toneSource } from "#test/peers/audio/sources.ts";
import { speechCorrelation } from "#test/peers/audio/speech.ts";
import { joinPhone, startMediaFixture, type MediaFixture } from "./testing/media-fixture.ts";
import { fullDuplex } from "./testing/policies.ts";

const RATE = 8_000;
let media: MediaFixture;
beforeAll(async () => {
  media = await startMediaFixture();
});
afterAll(async () => {
  await media.close();
});

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const blocks = (heard: Int16Array, size: number) =>
  Array.from({ length: Math.floor(heard.length / size) }, (_, i) => heard.subarray(i * size, (i + 1) * size));
const dbOf = (heard: Int16Array, hz: number) => 10 * Math.log10(Math.max(1e-12, tonePower(heard, RATE, hz)));

describe("phones in a full-duplex group", () => {
  it("hear everyone who speaks, and never themselves", async () => {
    const group = fullDuplex("fd-three");
    const phones = await Promise.all(["alice", "bob", "carol"].map((id) => joinPhone(media, group, id)));
    const [alice, bob, carol] = phones;
    if (!alice || !bob || !carol) throw new Error("three phones");
    void alice.rtp.play(toneSource(700));
    void bob.rtp.play(toneSource(1_300));
    await expect
      .poll(async () => (await media.snapshot(group.id)).talking.toSorted())
      .toEqual([alice.leg, bob.leg]);
    const fromMs = Date.now() + 150;
    await cleanTone(alice.rtp.heard, 1_300, { fromMs });
    await cleanTone(bob.rtp.heard, 700, { fromMs });
    const atCarol = await carol.rtp.heard.atLeast(1_000, fromMs);
    expect(Math.abs(dbOf(atCarol, 700) - dbOf(atCarol, 1_300))).toBeLessThan(1);
    expect(rmsDb(atCarol)).toBeGreaterThan(-15);
    await Promise.all(phones.map((phone) => phone.leave()));
  });

  it("are sent nothing while nobody speaks, though all of them send silence", async () => {
    const group = fullDuplex("fd-quiet");
    const phones = await Promise.all(["alice", "bob"].map((id) => joinPhone(media, group, id)));
    await wait(500);
    for (const { rtp } of phones) expect(rtp.heard.frames).toBe(0);
    expect((await media.snapshot(group.id)).talking).toEqual([]);
    await Promise.all(phones.map((phone) => phone.leave()));
  });

  it("hear the beginning and the end of what is said", async () => {
    const group = fullDuplex("fd-speech");
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    const from = Date.now();
    await alice.rtp.play(sampleSource(speechSample()));
    await bob.rtp.heard.quiet({ forMs: 1_000 });
    expect(speechCorrelation(speechSample(), bob.rtp.heard.since(from), RATE)).toBeGreaterThan(0.8);
    await Promise.all([alice, bob].map((phone) => phone.leave()));
  });

  it("do not clip when three of them shout", async () => {
    const group = fullDuplex("fd-loud");
    const phones = await Promise.all(
      ["alice", "bob", "carol", "dan"].map((id) => joinPhone(media, group, id)),
    );
    const [alice, bob, carol, dan] = phones;
    if (!alice || !bob || !carol || !dan) throw new Error("four phones");
    [alice, bob, carol].forEach(({ rtp }, i) => void rtp.play(toneSource(500 + 400 * i, { db: -1 })));
    const heard = await dan.rtp.heard.atLeast(1_000, Date.now() + 200);
    const clean = blocks(heard, 400).map((block) => {
      const tones = [500, 900, 1_300].reduce((sum, hz) => sum + tonePower(block, RATE, hz), 0);
      // Everything that is not one of the three tones is distortion.
      return 10 * Math.log10(tones / Math.max(1e-12, 10 ** (rmsDb(block) / 10) - tones));
    });
    expect(clean.toSorted((a, b) => a - b)[Math.floor(clean.length / 4)]).toBeGreaterThan(25);
    await Promise.all(phones.map((phone) => phone.leave()));
  });

  it("take digits for nothing: neither heard nor a wish to talk", async () => {
    const group = fullDuplex("fd-digits");
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    const from = Date.now();
    await alice.rtp.digit("*");
    await wait(200);
    expect(isSilent(bob.rtp.heard.since(from), RATE)).toBe(true);
    expect((await media.snapshot(group.id)).floor.state).toBe("idle");
    await Promise.all([alice, bob].map((phone) => phone.leave()));
  });
});
