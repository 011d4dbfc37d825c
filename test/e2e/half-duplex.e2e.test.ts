import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBrowser, type TestBrowser } from "#test/peers/browser/browser.ts";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { expectSilence, expectSpeech, expectTone, listenFor, toneSince } from "./expectations.ts";
import { freeRadioChannel, passwordOf, testProvision } from "./groups.ts";
import { browserTalker, phoneTalker, radioTalker, type Talker } from "./talker.ts";

let crossband: RunningCrossband;
let browser: TestBrowser;
let talkers: Talker[];
const others = (talker: Talker) => talkers.filter((each) => each !== talker);
const the = (kind: Talker["kind"]): Talker => {
  const found = talkers.find((talker) => talker.kind === kind);
  if (!found) throw new Error(`no ${kind} in the group`);
  return found;
};

beforeAll(async () => {
  const channel = await freeRadioChannel();
  crossband = await startCrossband({ provision: testProvision(channel) });
  const phone = (user: string) =>
    phoneTalker({
      server: crossband.ready.sip.udp,
      domain: crossband.ready.domain,
      user,
      password: passwordOf(user),
      group: "fire-1",
    });
  browser = await openBrowser();
  talkers = [
    await phone("alice"),
    await radioTalker(channel),
    await browserTalker(browser, {
      http: crossband.ready.http,
      user: "bob",
      password: passwordOf("bob"),
      group: "fire-1",
    }),
  ];
});
afterAll(async () => {
  for (const talker of talkers) await talker.close();
  await browser.close();
  await crossband.end();
});

describe.each(["phone", "radio", "browser"] as const)("a %s talks in a half-duplex group", (kind) => {
  it("and is heard by every other as a clean tone, by itself not at all, with silence before and after", async () => {
    const talker = the(kind);
    await expectSilence(talkers, "before");
    const fromMs = Date.now();
    expect(await talker.press()).not.toBe("refused");
    const grantedMs = Date.now();
    await talker.sendTone(1_000);
    await expectTone(others(talker), 1_000, fromMs);
    expect(toneSince(talker, 1_000, grantedMs + 100), "the talker's own tone comes back").toBeLessThan(0);
    await talker.sendSilence();
    await talker.release();
    await expectSilence(talkers, "after");
  });

  it("and its speech arrives, as the same waveform where no browser is involved", async () => {
    const talker = the(kind);
    const fromMs = Date.now();
    await talker.press();
    await talker.sendSpeech();
    await talker.release();
    await expectSpeech(talker, others(talker), fromMs);
  });

  it("and a second talker is refused, told so, and heard by nobody", async () => {
    const talker = the(kind);
    const startedMs = Date.now();
    await talker.press();
    await talker.sendTone(1_000);
    await expectTone(others(talker), 1_000, startedMs);
    for (const second of others(talker)) {
      const fromMs = Date.now();
      expect(await second.press()).not.toBe("granted");
      await second.sendTone(1_700);
      const listeners = talkers.filter((each) => each !== talker && each !== second);
      await listenFor(800);
      for (const listener of listeners)
        expect
          .soft(toneSince(listener, 1_000, fromMs + 200), `1 kHz at ${listener.name}`)
          .toBeGreaterThan(20);
      expect.soft(toneSince(talker, 1_700, fromMs), `the holder hears ${second.name}`).toBeLessThan(0);
      await second.sendSilence();
      await second.release();
    }
    await talker.sendSilence();
    await talker.release();
    await expectSilence(talkers, "after both let go");
  });
});
