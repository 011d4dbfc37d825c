import { mkdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBrowser, type TestBrowser } from "#test/peers/browser/browser.ts";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { expectSilence, expectTone } from "./expectations.ts";
import { freeRadioChannel, passwordOf, testProvision } from "./groups.ts";
import { browserTalker, phoneTalker, radioTalker, type Talker } from "./talker.ts";

let crossband: RunningCrossband;
let browser: TestBrowser;
let consoles: Awaited<ReturnType<typeof browserTalker>>[];
let phone: Talker;
let radio: Talker;

beforeAll(async () => {
  const channel = await freeRadioChannel();
  crossband = await startCrossband({ provision: testProvision(channel) });
  browser = await openBrowser();
  const { http, sip, domain } = crossband.ready;
  const open = (user: string) =>
    browserTalker(browser, { http, user, password: passwordOf(user), group: "fire-1" });
  phone = await phoneTalker({
    server: sip.udp,
    domain,
    user: "carol",
    password: passwordOf("carol"),
    group: "fire-1",
  });
  radio = await radioTalker(channel);
  consoles = [await open("alice"), await open("bob")];
});
afterAll(async () => {
  for (const talker of [...consoles, phone, radio]) await talker.close();
  await browser.close();
  await crossband.end();
});

describe("two browsers in a group with a phone and a radio", () => {
  it("each see the other's camera, by name", async () => {
    for (const { console } of consoles) await console.toggleCamera();
    for (const [i, { console }] of consoles.entries()) {
      const other = i === 0 ? "Bob Okafor" : "Alice Rivera";
      await expect.poll(async () => (await console.tiles()).join(), { timeout: 15_000 }).toContain(other);
      const before = await console.videoFrames();
      await expect.poll(() => console.videoFrames(), { timeout: 15_000 }).toBeGreaterThan(before + 20);
    }
    mkdirSync("test-results", { recursive: true });
    await consoles[0]?.console.page.screenshot({ path: "test-results/console-cameras.png" });
  });

  it("while all of them hear the phone, and then the radio", async () => {
    const talkers = [phone, radio, ...consoles];
    for (const talker of [phone, radio]) {
      const fromMs = Date.now();
      await talker.press();
      await talker.sendTone(1_000);
      await expectTone(
        talkers.filter((each) => each !== talker),
        1_000,
        fromMs,
      );
      await talker.sendSilence();
      await talker.release();
      await expectSilence(talkers, `after the ${talker.kind}`);
    }
  });

  it("and the picture goes when the camera is switched off", async () => {
    await consoles[1]?.console.toggleCamera();
    await expect.poll(async () => (await consoles[0]?.console.tiles())?.length, { timeout: 10_000 }).toBe(0);
  });
});
