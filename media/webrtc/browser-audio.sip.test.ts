import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BUS_RATE } from "#media/bus/frame.ts";
import { isSilent, typicalToneDb } from "#test/peers/audio/measures.ts";
import { openBrowser, type TestBrowser } from "#test/peers/browser/browser.ts";
import {
  playTone,
  startCapture,
  stopCapture,
  waitForConnection,
  type Heard,
} from "#test/peers/browser/media.ts";
import { openRawPeer, type RawPeer } from "#test/peers/browser/raw-peer.ts";
import { FakeGroup, startBrowserSide, type BrowserSide } from "./testing/fake-group.ts";
import { change, join, leave } from "./testing/join.ts";

let browser: TestBrowser;
let side: BrowserSide;

beforeAll(async () => {
  [browser, side] = await Promise.all([openBrowser(), startBrowserSide()]);
});

afterAll(async () => {
  await browser.close();
  await side.close();
});

/** From the first sound of a recording on, without its edges: what a tone test measures. */
function sounding({ samples, rate }: Heard, ms: number): Float32Array {
  const first = samples.findIndex((sample) => Math.abs(sample) > 0.02);
  const from = first + 0.2 * rate;
  return first < 0 ? samples.subarray(0, 0) : samples.subarray(from, from + (ms * rate) / 1_000);
}

/** Records what pages hear while something goes on. */
async function hearingAll(peers: readonly RawPeer[], task: () => Promise<unknown>): Promise<Heard[]> {
  await Promise.all(peers.map(({ page }) => startCapture(page)));
  await task();
  // What is on its way still plays.
  await Promise.all(peers.map(({ page }) => page.waitForTimeout(500)));
  return Promise.all(peers.map(({ page }) => stopCapture(page)));
}

async function hearing(peer: RawPeer, task: () => Promise<unknown>): Promise<Heard> {
  const [heard] = await hearingAll([peer], task);
  if (heard === undefined) throw new Error("nothing was recorded");
  return heard;
}

describe("a browser's microphone", () => {
  it("reaches the bus while the browser is heard, and only then", async () => {
    const group = new FakeGroup(side, "fire-1", "half-duplex");
    const { leg, peer } = await join(browser, group, "alice.0");
    const playing = playTone(peer.page, { hz: 1_000, ms: 2_500 });
    const heard = await group.hear(leg, 1_500);
    expect(typicalToneDb(heard.subarray(0.5 * BUS_RATE), BUS_RATE, 1_000)).toBeGreaterThan(20);
    expect(leg.pull()).toBeUndefined();
    await playing;
    await leave({ leg, peer });
  });

  it("is not heard again from before: a second hearing begins with what is said then", async () => {
    const group = new FakeGroup(side, "fire-2", "half-duplex");
    const { leg, peer } = await join(browser, group, "alice.0");
    const first = playTone(peer.page, { hz: 1_000, ms: 600 });
    await group.hear(leg, 400);
    await first;
    // The last of it is still on its way.
    await peer.page.waitForTimeout(500);
    const silence = await group.hear(leg, 400);
    expect(isSilent(silence, BUS_RATE)).toBe(true);
    await leave({ leg, peer });
  });

  it("tells in full duplex when speech begins and ends", async () => {
    const group = new FakeGroup(side, "call-1", "full-duplex");
    const { leg, peer } = await join(browser, group, "alice.0");
    await playTone(peer.page, { hz: 440, ms: 600 });
    await expect.poll(() => group.voices.map(({ active }) => active)).toEqual([true, false]);
    await leave({ leg, peer });
  });

  it("is for nobody while the browser holds, and is again when it resumes", async () => {
    const group = new FakeGroup(side, "fire-3", "half-duplex");
    const { leg, peer } = await join(browser, group, "alice.0");
    await change(leg, peer, { hold: true });
    const held = await hearing(peer, async () => {
      const playing = playTone(peer.page, { hz: 1_000, ms: 900 });
      expect(leg.listens).toBe(false);
      expect(isSilent(await group.hear(leg, 800), BUS_RATE)).toBe(true);
      await playing;
      await group.play([leg], 600, 600);
    });
    expect(isSilent(held.samples, held.rate)).toBe(true);
    await change(leg, peer, { hold: false });
    expect(leg.listens).toBe(true);
    const playing = playTone(peer.page, { hz: 1_000, ms: 1_200 });
    const resumed = await group.hear(leg, 1_000);
    await playing;
    expect(typicalToneDb(resumed.subarray(0.4 * BUS_RATE), BUS_RATE, 1_000)).toBeGreaterThan(20);
    await leave({ leg, peer });
  });
});

describe("a browser's speaker", () => {
  it("plays the mix, and silence before and after", async () => {
    const group = new FakeGroup(side, "fire-4", "half-duplex");
    const { leg, peer } = await join(browser, group, "alice.0");
    const before = await hearing(peer, () => peer.page.waitForTimeout(300));
    const heard = await hearing(peer, () => group.play([leg], 700, 1_500));
    const after = await hearing(peer, () => peer.page.waitForTimeout(300));
    expect(isSilent(before.samples, before.rate)).toBe(true);
    expect(typicalToneDb(sounding(heard, 1_000), heard.rate, 700)).toBeGreaterThan(20);
    expect(isSilent(after.samples, after.rate)).toBe(true);
    await leave({ leg, peer });
  });

  it("plays the next burst after a long silence from its beginning", async () => {
    const group = new FakeGroup(side, "fire-5", "half-duplex");
    const { leg, peer } = await join(browser, group, "alice.0");
    await group.play([leg], 700, 500);
    await peer.page.waitForTimeout(2_000);
    group.pause(2_000);
    const heard = await hearing(peer, () => group.play([leg], 900, 1_000));
    const soundingMs =
      (heard.samples.filter((sample) => Math.abs(sample) > 0.02).length * 1_000) / heard.rate;
    // Nine tenths of a sine's samples are above the limit.
    expect(soundingMs).toBeGreaterThan(800);
    expect(typicalToneDb(sounding(heard, 600), heard.rate, 900)).toBeGreaterThan(20);
    await leave({ leg, peer });
  });

  it("plays the shared mix of a half-duplex group to all but the talker", async () => {
    const group = new FakeGroup(side, "fire-6", "half-duplex");
    const talker = await join(browser, group, "alice.0");
    const listener = await join(browser, group, "bob.0");
    talker.leg.setHeard(true);
    const [own, others] = await hearingAll([talker.peer, listener.peer], () =>
      group.play([listener.leg], 700, 1_200),
    );
    if (own === undefined || others === undefined) throw new Error("nothing was recorded");
    expect(isSilent(own.samples, own.rate)).toBe(true);
    expect(typicalToneDb(sounding(others, 800), others.rate, 700)).toBeGreaterThan(20);
    await leave(talker, listener);
  });

  it("plays its own mix in a full-duplex group", async () => {
    const group = new FakeGroup(side, "call-2", "full-duplex");
    const one = await join(browser, group, "alice.0");
    const two = await join(browser, group, "bob.0");
    const [low, high] = await hearingAll([one.peer, two.peer], () =>
      Promise.all([
        group.play([one.leg], 500, 1_200, false),
        new FakeGroup(side, "call-2", "full-duplex").play([two.leg], 1_500, 1_200, false),
      ]),
    );
    if (low === undefined || high === undefined) throw new Error("nothing was recorded");
    expect(typicalToneDb(sounding(low, 800), low.rate, 500)).toBeGreaterThan(20);
    expect(typicalToneDb(sounding(high, 800), high.rate, 1_500)).toBeGreaterThan(20);
    await leave(one, two);
  });

  it("works both ways when the browser made the offer", async () => {
    const group = new FakeGroup(side, "fire-7", "half-duplex");
    const leg = group.open("alice.0");
    const peer = await openRawPeer(browser);
    const { description } = await leg.negotiate({ type: "offer", sdp: await peer.offer() });
    expect(description?.type).toBe("answer");
    if (description?.type === "answer") await peer.accept(description.sdp);
    await waitForConnection(peer.page);
    const playing = playTone(peer.page, { hz: 1_000, ms: 1_500 });
    const said = await group.hear(leg, 1_200);
    await playing;
    expect(typicalToneDb(said.subarray(0.5 * BUS_RATE), BUS_RATE, 1_000)).toBeGreaterThan(20);
    const heard = await hearing(peer, () => group.play([leg], 700, 1_200));
    expect(typicalToneDb(sounding(heard, 800), heard.rate, 700)).toBeGreaterThan(20);
    await leave({ leg, peer });
  });
});
