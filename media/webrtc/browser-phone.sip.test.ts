import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinPhone, startMediaFixture, type MediaFixture } from "#media/testing/media-fixture.ts";
import { fullDuplex, halfDuplex } from "#media/testing/policies.ts";
import { atRate, isSilent, typicalToneDb } from "#test/peers/audio/measures.ts";
import { sampleSource, speechSample, toneSource } from "#test/peers/audio/sources.ts";
import { speechCorrelation } from "#test/peers/audio/speech.ts";
import { openBrowser, type TestBrowser } from "#test/peers/browser/browser.ts";
import {
  playSamples,
  playTone,
  startCapture,
  stopCapture,
  waitForFrames,
} from "#test/peers/browser/media.ts";
import { joinBrowser } from "./testing/browser-member.ts";

const RATE = 8_000;
/** Opus keeps less of the waveform than G.711; other speech correlates below 0.3. */
const SPEECH_ALIKE = 0.5;
let browser: TestBrowser;
let media: MediaFixture;

beforeAll(async () => {
  [browser, media] = await Promise.all([openBrowser(), startMediaFixture()]);
});

afterAll(async () => {
  await browser.close();
  await media.close();
});

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("a browser and a phone in a half-duplex group", () => {
  it("hear each other in turn: a tone, and silence before and after", async () => {
    const group = halfDuplex("bp-tone");
    const phone = await joinPhone(media, group, "bob");
    const member = await joinBrowser(media, browser, group, "alice");
    const { page } = member.peer;

    await playTone(page, { hz: 1_000, ms: 300 });
    expect(isSilent(phone.rtp.heard.since(0), RATE)).toBe(true);

    expect(await member.press("h1")).toBe("granted");
    const from = Date.now();
    const playing = playTone(page, { hz: 1_000, ms: 2_000 });
    const atPhone = await phone.rtp.heard.atLeast(1_000, from + 600);
    expect(typicalToneDb(atPhone, RATE, 1_000)).toBeGreaterThan(20);
    await playing;
    expect(await member.release("h1")).toBe("released");
    await phone.rtp.heard.quiet();

    await phone.rtp.digit("*");
    await expect.poll(async () => (await media.snapshot(group.id)).floor).toMatchObject({ leg: phone.leg });
    await startCapture(page);
    await phone.rtp.play(toneSource(800, { ms: 1_500 }));
    await wait(200);
    const { samples, rate } = await stopCapture(page);
    expect(typicalToneDb(samples.subarray(0.6 * rate, 1.3 * rate), rate, 800)).toBeGreaterThan(20);
    await phone.rtp.digit("#");
    await Promise.all([phone.leave(), member.leave()]);
  });

  it("understand each other: the same speech arrives both ways", async () => {
    const group = halfDuplex("bp-speech");
    const phone = await joinPhone(media, group, "bob");
    const member = await joinBrowser(media, browser, group, "alice");
    const { page } = member.peer;
    expect(await member.press("h1")).toBe("granted");
    const from = Date.now();
    await playSamples(page, speechSample(), RATE);
    await phone.rtp.heard.quiet({ forMs: 1_000 });
    expect(speechCorrelation(speechSample(), phone.rtp.heard.since(from), RATE)).toBeGreaterThan(
      SPEECH_ALIKE,
    );
    expect(await member.release("h1")).toBe("released");

    await expect.poll(async () => (await media.snapshot(group.id)).floor.state).toBe("idle");
    await phone.rtp.digit("*");
    await expect.poll(async () => (await media.snapshot(group.id)).floor).toMatchObject({ leg: phone.leg });
    await startCapture(page);
    await phone.rtp.play(sampleSource(speechSample()));
    await wait(1_000);
    const { samples, rate } = await stopCapture(page);
    expect(speechCorrelation(speechSample(), atRate(samples, rate, RATE), RATE)).toBeGreaterThan(
      SPEECH_ALIKE,
    );
    await Promise.all([phone.leave(), member.leave()]);
  });

  it("cannot talk over each other: the browser that was not granted is heard by nobody", async () => {
    const group = halfDuplex("bp-second");
    const phone = await joinPhone(media, group, "bob");
    const member = await joinBrowser(media, browser, group, "alice");
    await phone.rtp.digit("*");
    await expect.poll(async () => (await media.snapshot(group.id)).floor).toMatchObject({ leg: phone.leg });
    expect(await member.press("h1")).toBe("denied");
    const from = Date.now() + 500;
    await Promise.all([playTone(member.peer.page, { hz: 1_000, ms: 1_000 }), wait(1_000)]);
    expect(isSilent(phone.rtp.heard.since(from), RATE)).toBe(true);
    await Promise.all([phone.leave(), member.leave()]);
  });
});

describe("browsers and a phone in a full-duplex group", () => {
  it("hear the others at once and not themselves; cameras are seen meanwhile", async () => {
    const group = fullDuplex("bp-call");
    const events = await media.events(group.id);
    const phone = await joinPhone(media, group, "bob");
    const alice = await joinBrowser(media, browser, group, "alice", { withCamera: true });
    const carol = await joinBrowser(media, browser, group, "carol");
    void phone.rtp.play(toneSource(700));
    const speaking = playTone(alice.peer.page, { hz: 1_300, ms: 5_000 });
    await expect
      .poll(async () => (await media.snapshot(group.id)).talking.toSorted())
      .toEqual([alice.leg, phone.leg]);
    const from = Date.now() + 300;
    await Promise.all([startCapture(alice.peer.page), startCapture(carol.peer.page)]);
    const atPhone = await phone.rtp.heard.atLeast(1_000, from);
    await wait(300);
    const [atAlice, atCarol] = await Promise.all([
      stopCapture(alice.peer.page),
      stopCapture(carol.peer.page),
    ]);
    const settled = ({ samples, rate }: typeof atAlice) => samples.subarray(0.4 * rate, 1.2 * rate);
    expect(typicalToneDb(atPhone, RATE, 1_300)).toBeGreaterThan(20);
    expect(typicalToneDb(settled(atAlice), atAlice.rate, 700)).toBeGreaterThan(20);
    for (const hz of [700, 1_300])
      expect(typicalToneDb(settled(atCarol), atCarol.rate, hz)).toBeGreaterThan(-15);
    phone.rtp.stop();
    await speaking;
    await waitForFrames(carol.peer.page, "2");
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "video",
        leg: carol.leg,
        slots: expect.arrayContaining([
          { mid: "2", from: expect.objectContaining({ leg: alice.leg }) as unknown },
        ]) as unknown,
      }),
    );
    await Promise.all([phone.leave(), alice.leave(), carol.leave()]);
  });
});
