import { it } from "vitest";
import { openBrowser } from "#test/peers/browser/browser.ts";
import { playSamples } from "#test/peers/browser/media.ts";
import { speechSample } from "#test/peers/audio/sources.ts";
import { speechMatch } from "#test/peers/audio/speech.ts";
import { atRate } from "#test/peers/audio/measures.ts";
import { FakeGroup, startBrowserSide } from "./testing/fake-group.ts";
import { join } from "./testing/join.ts";
import { JitterBuffer } from "#media/bus/jitter-buffer.ts";
it("x", async () => {
  const [browser, side] = await Promise.all([openBrowser(), startBrowserSide()]);
  const bufs: any[] = [];
  const reset = JitterBuffer.prototype.reset;
  JitterBuffer.prototype.reset = function () { if (!bufs.includes(this)) bufs.push(this); reset.call(this); };
  const group = new FakeGroup(side, "s", "half-duplex");
  const { leg, peer } = await join(browser, group, "a.0");
  for (let i = 0; i < 3; i++) {
    const p = playSamples(peer.page, speechSample(), 8000);
    const heard = await group.hear(leg, 4500);
    await p;
    console.log(speechMatch(speechSample(), atRate(heard, 16000, 8000), 8000), bufs.map(b => ({...b.stats, m: b.marginMs})));
    await peer.page.waitForTimeout(300);
  }
  leg.close(); await browser.close(); await side.close();
}, 60000);
