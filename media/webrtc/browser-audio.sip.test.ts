import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { BUS_RATE } from "#media/bus/frame.ts";
import type { MediaLeg } from "#media/group/leg.ts";
import { isSilent, toneOverRestDb } from "#test/peers/audio/measures.ts";
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

let browser: TestBrowser;
let side: BrowserSide;

beforeAll(async () => {
  [browser, side] = await Promise.all([openBrowser(), startBrowserSide()]);
});

afterAll(async () => {
  await browser.close();
  await side.close();
});

/** Joins a browser to a group by the server's offer. */
async function join(group: FakeGroup, id: string): Promise<{ leg: MediaLeg; peer: RawPeer }> {
  const leg = group.open(id);
  const peer = await openRawPeer(browser);
  const { description } = await leg.negotiate({ type: "none", webrtc: true });
  if (description?.type !== "offer") throw new Error("no offer");
  await leg.negotiate({ type: "answer", sdp: await peer.answer(description.sdp) });
  await waitForConnection(peer.page);
  return { leg, peer };
}

/** The middle of a recording, where a tone is neither beginning nor ending. */
const middle = ({ samples, rate }: Heard, fromMs: number, toMs: number): Float32Array =>
  samples.subarray((fromMs * rate) / 1_000, (toMs * rate) / 1_000);

describe("a browser's sound", () => {
  it("reaches the bus while the browser is heard, and only then", async () => {
    const group = new FakeGroup(side, "fire-1", "half-duplex");
    const { leg, peer } = await join(group, "alice.0");
    const playing = playTone(peer.page, { hz: 1_000, ms: 2_500 });
    const heard = await group.hear(leg, 1_500);
    const tone = heard.subarray(0.5 * BUS_RATE);
    expect(toneOverRestDb(tone, BUS_RATE, 1_000)).toBeGreaterThan(20);
    expect(leg.pull()).toBeUndefined();
    await playing;
    leg.close();
  });
});
