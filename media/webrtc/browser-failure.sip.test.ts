import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBrowser, type TestBrowser } from "#test/peers/browser/browser.ts";
import { waitForConnection } from "#test/peers/browser/media.ts";
import { openRawPeer } from "#test/peers/browser/raw-peer.ts";
import { FakeGroup, startBrowserSide, type BrowserSide } from "./testing/fake-group.ts";
import { join, leave } from "./testing/join.ts";

let browser: TestBrowser;
let side: BrowserSide;

beforeAll(async () => {
  [browser, side] = await Promise.all([openBrowser(), startBrowserSide()]);
});

afterAll(async () => {
  await browser.close();
  await side.close();
});

describe("a browser's leg", () => {
  it("answers a repeated request alike", async () => {
    const group = new FakeGroup(side, "fail-1", "half-duplex");
    const leg = group.open("alice.0");
    const peer = await openRawPeer(browser);
    const first = await leg.negotiate({ type: "none", webrtc: true });
    expect(await leg.negotiate({ type: "none", webrtc: true })).toEqual(first);
    const sdp = await peer.answer(first.description?.type === "offer" ? first.description.sdp : "");
    expect(await leg.negotiate({ type: "answer", sdp })).toEqual({});
    expect(await leg.negotiate({ type: "answer", sdp })).toEqual({});
    await waitForConnection(peer.page);
    await leave({ leg, peer });
  });

  it("offers again in the same session with a higher version, and the browser takes it", async () => {
    const group = new FakeGroup(side, "fail-2", "half-duplex");
    const { leg, peer } = await join(browser, group, "alice.0");
    const { description } = await leg.negotiate({ type: "none", webrtc: true });
    const sdp = description?.type === "offer" ? description.sdp : "";
    expect(/^o=- \d+ 2 IN/m.test(sdp)).toBe(true);
    await leg.negotiate({ type: "answer", sdp: await peer.answer(sdp) });
    expect(leg.listens).toBe(true);
    await leave({ leg, peer });
  });

  it("refuses a description that is no answer to its offer, counts it, and goes on", async () => {
    const group = new FakeGroup(side, "fail-3", "half-duplex");
    const { leg, peer } = await join(browser, group, "alice.0");
    await expect(leg.negotiate({ type: "answer", sdp: "v=0\r\nnonsense" })).rejects.toMatchObject({
      code: "SDP_INVALID",
    });
    await expect(leg.negotiate({ type: "rtp", host: "127.0.0.1", port: 4_000 })).rejects.toMatchObject({
      code: "SDP_NOT_ACCEPTABLE",
    });
    expect(leg.listens).toBe(true);
    expect(side.counts.get("browser_descriptions_refused:SDP_INVALID")).toBe(1);
    await leave({ leg, peer });
  });

  it("leaves nothing in the worker when it is closed while it negotiates", async () => {
    const group = new FakeGroup(side, "fail-6", "full-duplex");
    const leg = group.open("alice.0");
    const peer = await openRawPeer(browser);
    const offering = leg.negotiate({ type: "offer", sdp: await peer.offer() });
    leg.close();
    await expect(offering).rejects.toMatchObject({ code: "WORKER_UNAVAILABLE" });
    expect(leg.listens || leg.camera).toBe(false);
    await expect(leg.negotiate({ type: "none", webrtc: true })).rejects.toMatchObject({
      code: "WORKER_UNAVAILABLE",
    });
    await leave({ leg, peer });
  });

  it("ends as silent when its page goes away", async () => {
    const group = new FakeGroup(side, "fail-4", "half-duplex");
    const { peer } = await join(browser, group, "alice.0");
    await peer.close();
    await expect.poll(() => group.ended).toEqual([{ leg: "alice.0", reason: "silent" }]);
  });

  it("ends as failed when the media worker is killed, and the next one serves again soon", async () => {
    const group = new FakeGroup(side, "fail-5", "half-duplex");
    await join(browser, group, "alice.0");
    const pid = side.legs.workerPid ?? 0;
    process.kill(pid, "SIGKILL");
    await expect.poll(() => group.ended).toEqual([{ leg: "alice.0", reason: "media-failed" }]);
    const early = group.open("bob.0");
    await expect(early.negotiate({ type: "none", webrtc: true })).rejects.toMatchObject({
      code: "WORKER_UNAVAILABLE",
    });
    early.close();
    await expect.poll(() => side.legs.workerPid).not.toBeUndefined();
    expect(side.legs.workerPid).not.toBe(pid);
    const { leg, peer } = await join(browser, group, "carol.0");
    expect(leg.listens).toBe(true);
    await leave({ leg, peer });
  });
});
