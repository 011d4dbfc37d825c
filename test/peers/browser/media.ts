import { fileURLToPath } from "node:url";
import type { BrowserContext, Page } from "playwright-core";
import type { Recording } from "../audio/recording.ts";

/** What `page/media.js` puts into a page. */
interface TestMedia {
  startRecording(peer: number): void;
  stopRecording(peer: number): { rate: number; base64: string };
  playTone(tone: { hz: number; ms: number; peak: number }): Promise<void>;
  playSamples(sound: { samples: number[]; rate: number }): Promise<void>;
  hush(): void;
  framesDecoded(peer: number): Promise<Record<string, number>>;
  connectionState(peer: number): string;
  peerCount(): number;
}

declare const testMedia: TestMedia;

/** What a page heard: mono. */
export interface Heard {
  readonly samples: Float32Array;
  readonly rate: number;
}

/**
 * Puts the tests' microphone and ears into every page of a session, before the page's own scripts. Works with any page that uses
 * getUserMedia and RTCPeerConnection. Where a function takes `peer`, it is the index of the page's peer connection in the
 * order of their making; -1 is the newest.
 */
export async function installMedia(target: BrowserContext | Page): Promise<void> {
  await target.addInitScript({ path: fileURLToPath(new URL("page/media.js", import.meta.url)) });
}

/** Speaks a sine into the page's microphone; resolves when it has ended. */
export async function playTone(
  page: Page,
  { hz, ms, peak = 0.3 }: { hz: number; ms: number; peak?: number },
) {
  await page.evaluate((tone) => testMedia.playTone(tone), { hz, ms, peak });
}

/** Speaks samples into the page's microphone; resolves when they have ended. */
export async function playSamples(
  page: Page,
  samples: Int16Array | Float32Array,
  rate: number,
): Promise<void> {
  const scale = samples instanceof Int16Array ? 1 / 32_768 : 1;
  await page.evaluate((sound) => testMedia.playSamples(sound), {
    samples: Array.from(samples, (sample) => sample * scale),
    rate,
  });
}

/** Speaks a sine into the page's microphone until `hush`. */
export async function speakTone(page: Page, hz: number, peak = 0.3): Promise<void> {
  await page.evaluate((tone) => void testMedia.playTone(tone), { hz, ms: 600_000, peak });
}

/** Ends whatever is spoken into the page's microphone. */
export async function hush(page: Page): Promise<void> {
  await page.evaluate(() => {
    testMedia.hush();
  });
}

/** Writes what the page hears on a peer connection into a recording, as it comes. Before the page is opened. */
export async function installEars(page: Page, peer: number, recording: Recording): Promise<void> {
  let timestamp = 0;
  await page.exposeFunction("testEars", (index: number, base64: string) => {
    if (index !== peer) return;
    const bytes = Buffer.from(base64, "base64");
    const samples = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    recording.push(samples, timestamp);
    timestamp += samples.length;
  });
}

/** Begins to record what the page hears on a peer connection. */
export async function startCapture(page: Page, peer = 0): Promise<void> {
  await page.evaluate((index) => {
    testMedia.startRecording(index);
  }, peer);
}

/** Ends a recording; silence and gaps are in it as they were heard. */
export async function stopCapture(page: Page, peer = 0): Promise<Heard> {
  const { rate, base64 } = await page.evaluate((index) => testMedia.stopRecording(index), peer);
  const bytes = Buffer.from(base64, "base64");
  return {
    rate,
    samples: new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)),
  };
}

/** Video frames decoded so far, by mid. */
export const framesDecoded = (page: Page, peer = 0): Promise<Record<string, number>> =>
  page.evaluate((index) => testMedia.framesDecoded(index), peer);

/** Resolves when a line has decoded `count` more frames than now. */
export async function waitForFrames(
  page: Page,
  mid: string,
  count = 5,
  peer = 0,
  limitMs = 10_000,
): Promise<void> {
  const from = (await framesDecoded(page, peer))[mid] ?? 0;
  await page.waitForFunction(
    async ({ mid, peer, wanted }) => ((await testMedia.framesDecoded(peer))[mid] ?? 0) >= wanted,
    { mid, peer, wanted: from + count },
    { timeout: limitMs },
  );
}

/** Resolves when the page's peer connection is connected. */
export async function waitForConnection(page: Page, peer = 0, limitMs = 10_000): Promise<void> {
  await page.waitForFunction(
    (index) => testMedia.peerCount() > Math.max(0, index) && testMedia.connectionState(index) === "connected",
    peer,
    { timeout: limitMs },
  );
}
