import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBrowser, type TestBrowser } from "#test/peers/browser/browser.ts";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { expectSilence, expectSpeech, listenFor, toneSince } from "./expectations.ts";
import { tonePower } from "#test/peers/audio/measures.ts";
import { passwordOf, testProvision } from "./groups.ts";
import { browserTalker, phoneTalker, type Talker } from "./talker.ts";

/** Each talker's own note, far from the others' and their harmonics. */
const NOTES = [700, 1_100, 1_900];
const RATE = 8_000;

let crossband: RunningCrossband;
let browser: TestBrowser;
let talkers: Talker[];
const others = (talker: Talker) => talkers.filter((each) => each !== talker);
const note = (talker: Talker): number => NOTES[talkers.indexOf(talker)] ?? 0;
const levelDb = (talker: Talker, hz: number, fromMs: number): number =>
  10 * Math.log10(tonePower(talker.heard.since(fromMs), RATE, hz) + 1e-12);

beforeAll(async () => {
  crossband = await startCrossband({
    provision: testProvision({ listen: "127.0.0.1:32021", remote: "127.0.0.1:34021" }),
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
  await crossband.stop();
});

describe("a full-duplex group", () => {
  it("is silent while nobody talks", async () => {
    await expectSilence(talkers, "before");
  });

  it("lets everybody hear one talker as a clean tone, and the talker not itself", async () => {
    for (const talker of talkers) {
      await talker.sendTone(note(talker));
      await listenFor(300);
      const fromMs = Date.now();
      await listenFor(1_000);
      for (const listener of others(talker))
        expect
          .soft(toneSince(listener, note(talker), fromMs), `${talker.name} at ${listener.name}`)
          .toBeGreaterThan(20);
      expect.soft(levelDb(talker, note(talker), fromMs), `${talker.name} at itself`).toBeLessThan(-60);
      await talker.sendSilence();
      await listenFor(400);
    }
  });

  it("lets all talk at once: each hears every other and never itself", async () => {
    for (const talker of talkers) await talker.sendTone(note(talker));
    await listenFor(500);
    const fromMs = Date.now();
    await listenFor(1_500);
    for (const listener of talkers) {
      for (const talker of others(listener))
        expect
          .soft(levelDb(listener, note(talker), fromMs), `${talker.name} at ${listener.name}`)
          .toBeGreaterThan(-25);
      expect.soft(levelDb(listener, note(listener), fromMs), `${listener.name} at itself`).toBeLessThan(-50);
    }
    for (const talker of talkers) await talker.sendSilence();
    await expectSilence(talkers, "after");
  });

  it("carries speech, as the same waveform between phones", async () => {
    for (const talker of talkers) {
      const fromMs = Date.now();
      await talker.sendSpeech();
      await listenFor(300);
      expectSpeech(talker, others(talker), fromMs);
    }
  });
});
