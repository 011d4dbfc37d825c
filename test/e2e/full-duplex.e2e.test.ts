import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBrowser, type TestBrowser } from "#test/peers/browser/browser.ts";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { expectSilence, expectSpeech, expectTone } from "./expectations.ts";
import { tonePower } from "#test/peers/audio/measures.ts";
import { freeRadioChannel, passwordOf, testProvision } from "./groups.ts";
import { browserTalker, phoneTalker, type Talker } from "./talker.ts";

/** Each talker's own note, far from the others' and their harmonics. */
const NOTES = [700, 1_100, 1_900];
const RATE = 8_000;

let crossband: RunningCrossband;
let browser: TestBrowser;
let talkers: Talker[];
const others = (talker: Talker) => talkers.filter((each) => each !== talker);
const note = (talker: Talker): number => NOTES[talkers.indexOf(talker)] ?? 0;
const levelOf = (heard: Int16Array, hz: number): number =>
  10 * Math.log10(tonePower(heard, RATE, hz) + 1e-12);
const levelDb = (talker: Talker, hz: number, fromMs: number): number =>
  levelOf(talker.heard.since(fromMs), hz);
/** The last second. */
const latest = (heard: Int16Array): Int16Array => heard.subarray(-RATE);

beforeAll(async () => {
  crossband = await startCrossband({
    provision: testProvision(await freeRadioChannel()),
  });
  const phone = (user: string) =>
    phoneTalker({
      server: crossband.ready.sip.udp,
      domain: crossband.ready.domain,
      user,
      password: passwordOf(user),
      group: "command",
    });
  browser = await openBrowser();
  const console = await browserTalker(browser, {
    http: crossband.ready.http,
    user: "carol",
    password: passwordOf("carol"),
    group: "command",
  });
  await console.console.toggleMicrophone();
  talkers = [await phone("alice"), await phone("bob"), console];
});
afterAll(async () => {
  for (const talker of talkers) await talker.close();
  await browser.close();
  await crossband.end();
});

describe("a full-duplex group", () => {
  it("is silent while nobody talks", async () => {
    await expectSilence(talkers, "before");
  });

  it("lets everybody hear one talker as a clean tone, and the talker not itself", async () => {
    for (const talker of talkers) {
      const fromMs = Date.now();
      await talker.sendTone(note(talker));
      await expectTone(others(talker), note(talker), fromMs);
      expect.soft(levelDb(talker, note(talker), fromMs), `${talker.name} at itself`).toBeLessThan(-60);
      await talker.sendSilence();
      await expectSilence(talkers, `after ${talker.name}`);
    }
  });

  it("lets all talk at once: each hears every other and never itself", async () => {
    const fromMs = Date.now();
    for (const talker of talkers) await talker.sendTone(note(talker));
    for (const listener of talkers) {
      const heard = await listener.heard.until(
        (audio) =>
          audio.length > RATE &&
          others(listener).every((talker) => levelOf(latest(audio), note(talker)) > -25),
        { what: `every other at ${listener.name}`, fromMs, deadlineMs: 6_000 },
      );
      expect.soft(levelOf(latest(heard), note(listener)), `${listener.name} at itself`).toBeLessThan(-50);
    }
    for (const talker of talkers) await talker.sendSilence();
    await expectSilence(talkers, "after");
  });

  it("carries speech, as the same waveform between phones", async () => {
    for (const talker of talkers) {
      const fromMs = Date.now();
      await talker.sendSpeech();
      await expectSpeech(talker, others(talker), fromMs);
    }
  });
});
