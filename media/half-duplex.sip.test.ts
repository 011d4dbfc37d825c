import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cleanTone } from "#test/peers/audio/clean-tone.ts";
import { isSilent, toneOverRestDb } from "#test/peers/audio/measures.ts";
import { speechSample, sampleSource, toneSource } from "#test/peers/audio/sources.ts";
import { speechCorrelation } from "#test/peers/audio/speech.ts";
import { hearsBusyTone, hearsGrantTone } from "#test/peers/audio/tones.ts";
import { joinPhone, startMediaFixture, type MediaFixture, type TestPhone } from "./testing/media-fixture.ts";
import { halfDuplex } from "./testing/policies.ts";

const RATE = 8_000;
let media: MediaFixture;
beforeAll(async () => {
  media = await startMediaFixture();
});
afterAll(async () => {
  await media.close();
});

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const loud = (heard: Int16Array) => !isSilent(heard, RATE);

const holderOf = async (group: string) => {
  const { floor } = await media.snapshot(group);
  return floor.state === "taken" ? floor.leg : undefined;
};

/** Presses a key and waits until the group shows who holds the floor. */
async function floorAfter(
  phone: TestPhone,
  key: string,
  group: string,
  holder: string | undefined,
): Promise<void> {
  await phone.rtp.digit(key);
  await expect.poll(() => holderOf(group)).toBe(holder);
}

describe("phones in a half-duplex group", () => {
  it("hears whoever pressed * as a clean tone, and nothing before and after", async () => {
    const group = halfDuplex("hd-tone");
    const [alice, bob, carol] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob", { codecs: ["PCMA"] }),
      joinPhone(media, group, "carol"),
    ]);
    void alice.rtp.play(toneSource(1_000));
    await wait(300);
    expect(bob.rtp.heard.frames + carol.rtp.heard.frames).toBe(0);
    await floorAfter(alice, "*", group.id, alice.leg);
    const fromMs = Date.now() + 100;
    for (const { rtp } of [bob, carol]) await cleanTone(rtp.heard, 1_000, { fromMs });
    await floorAfter(alice, "#", group.id, undefined);
    for (const phone of [alice, bob, carol]) await phone.rtp.heard.quiet();
    expect(hearsGrantTone(alice.rtp.heard.since(0), RATE)).toBe(true);
    expect(bob.rtp.ssrcsHeard.size).toBe(1);
    await Promise.all([alice, bob, carol].map((phone) => phone.leave()));
  });

  it("carries speech so that it correlates above 0.8", async () => {
    const group = halfDuplex("hd-speech");
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    await floorAfter(alice, "*", group.id, alice.leg);
    const from = Date.now();
    await alice.rtp.play(sampleSource(speechSample()));
    await bob.rtp.heard.quiet();
    expect(speechCorrelation(speechSample(), bob.rtp.heard.since(from), RATE)).toBeGreaterThan(0.8);
    await Promise.all([alice, bob].map((phone) => phone.leave()));
  });

  it("refuses a second talker, who hears busy and is heard by nobody", async () => {
    const group = halfDuplex("hd-busy");
    const [alice, bob, carol] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
      joinPhone(media, group, "carol"),
    ]);
    await floorAfter(alice, "*", group.id, alice.leg);
    void alice.rtp.play(toneSource(1_000));
    void bob.rtp.play(toneSource(1_700));
    const from = Date.now();
    await bob.rtp.digit("*");
    await bob.rtp.heard.until((heard) => hearsBusyTone(heard, RATE), { what: "a busy tone", fromMs: from });
    const heard = await cleanTone(carol.rtp.heard, 1_000, { fromMs: from, ms: 600 });
    expect(toneOverRestDb(heard, RATE, 1_700)).toBeLessThan(-20);
    expect(alice.rtp.heard.since(from).some((sample) => Math.abs(sample) > 500)).toBe(false);
    await Promise.all([alice, bob, carol].map((phone) => phone.leave()));
  });

  it("lets a higher priority take the floor, and tells the one who lost it", async () => {
    const group = halfDuplex("hd-preempt");
    const [alice, chief, carol] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "chief", { priority: 9 }),
      joinPhone(media, group, "carol"),
    ]);
    await floorAfter(alice, "*", group.id, alice.leg);
    void alice.rtp.play(toneSource(1_000));
    void chief.rtp.play(toneSource(1_700));
    await floorAfter(chief, "*", group.id, chief.leg);
    await cleanTone(carol.rtp.heard, 1_700, { fromMs: Date.now() + 100, ms: 500 });
    await Promise.all([alice, chief, carol].map((phone) => phone.leave()));
  });

  it("ends a turn at the talk limit until the key is pressed again", async () => {
    const group = halfDuplex("hd-limit", { maxTalkMs: 600 });
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    void alice.rtp.play(toneSource(1_000));
    await floorAfter(alice, "*", group.id, alice.leg);
    await expect.poll(async () => (await media.snapshot(group.id)).floor.state).toBe("idle");
    await bob.rtp.heard.quiet({ forMs: 400 });
    await floorAfter(alice, "*", group.id, alice.leg);
    await bob.rtp.heard.until(loud, { what: "alice again", fromMs: Date.now() });
    await Promise.all([alice, bob].map((phone) => phone.leave()));
  });

  it("takes the floor by voice and gives it back after a pause in a vox group", async () => {
    const group = halfDuplex("hd-vox", { phonePtt: "vox" });
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    const from = Date.now();
    await alice.rtp.play(sampleSource(speechSample()));
    await expect.poll(async () => (await media.snapshot(group.id)).floor.state).toBe("idle");
    expect(speechCorrelation(speechSample(), bob.rtp.heard.since(from), RATE)).toBeGreaterThan(0.8);
    await Promise.all([alice, bob].map((phone) => phone.leave()));
  });

  it("takes a key by SIP INFO for one pressed on the phone", async () => {
    const group = halfDuplex("hd-info");
    const alice = await joinPhone(media, group, "alice");
    await media.digit(alice.leg, "*");
    expect((await media.snapshot(group.id)).floor).toMatchObject({ state: "taken", leg: alice.leg });
    await media.digit(alice.leg, "#");
    expect((await media.snapshot(group.id)).floor.state).toBe("idle");
    await alice.leave();
  });

  it("frees the floor when its holder hangs up", async () => {
    const group = halfDuplex("hd-leave");
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    await floorAfter(alice, "*", group.id, alice.leg);
    await alice.leave();
    const snapshot = await media.snapshot(group.id);
    expect(snapshot.floor.state).toBe("idle");
    expect(snapshot.participants.map(({ leg }) => leg)).toEqual([bob.leg]);
    await bob.leave();
  });

  it("goes on when a talker's SSRC changes, and when its address translator gives it another port", async () => {
    const group = halfDuplex("hd-ssrc");
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    void alice.rtp.play(toneSource(1_000));
    await floorAfter(alice, "*", group.id, alice.leg);
    await bob.rtp.heard.atLeast(300, Date.now());
    const quietMs: number[] = [];
    for (let change = 0; change < 3; change++) {
      const from = Date.now();
      alice.rtp.changeSsrc();
      await bob.rtp.heard.atLeast(300, from);
      await alice.rtp.changePort();
      const heard = (await bob.rtp.heard.atLeast(700, from)).subarray(0, 700 * 8);
      const quiet = Array.from({ length: 35 }, (_, i) =>
        isSilent(heard.subarray(i * 160, (i + 1) * 160), RATE, -30),
      );
      quietMs.push(quiet.filter(Boolean).length * 20);
    }
    // The shortest is ours; what the others took longer is the machine's.
    expect(Math.min(...quietMs)).toBeLessThanOrEqual(60);
    await Promise.all([alice, bob].map((phone) => phone.leave()));
  });

  it("survives garbage on its RTP ports and counts it", async () => {
    const group = halfDuplex("hd-garbage");
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    void alice.rtp.play(toneSource(1_000));
    await floorAfter(alice, "*", group.id, alice.leg);
    const from = Date.now();
    for (let i = 0; i < 200; i++)
      alice.rtp.sendRaw(Buffer.from(Array.from({ length: i % 40 }, () => Math.floor(Math.random() * 256))));
    for (const text of [
      "80",
      "00".repeat(20),
      "8f00".padEnd(24, "0"),
      "90000001000000010000000100010fff",
      "a000000100000001000000010000ff",
    ])
      alice.rtp.sendRaw(Buffer.from(text, "hex"));
    await cleanTone(bob.rtp.heard, 1_000, { fromMs: from, ms: 500 });
    expect(await media.role.metrics()).toMatch(
      /crossband_media_packets_dropped_total\{reason="(short|version|csrc|extension|padding)"\} [1-9]/,
    );
    await Promise.all([alice, bob].map((phone) => phone.leave()));
  });
});
