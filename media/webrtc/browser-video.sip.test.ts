import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { GroupEvent } from "#common/media-control.ts";
import { openBrowser, type TestBrowser } from "#test/peers/browser/browser.ts";
import { framesDecoded, waitForFrames } from "#test/peers/browser/media.ts";
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

/** Who is in whose slots by the latest `video` event of a leg. */
function slotsOf(events: readonly GroupEvent[], leg: string): Record<string, string | undefined> {
  const latest = events.findLast((event) => event.type === "video" && event.leg === leg);
  if (latest?.type !== "video") return {};
  return Object.fromEntries(
    latest.slots.filter(({ from }) => from !== undefined).map(({ mid, from }) => [mid, from?.leg]),
  );
}

describe("cameras of a group's browsers", () => {
  it("are seen by each other, and events say who is in which line", async () => {
    const group = new FakeGroup(side, "video-1", "half-duplex");
    const one = await join(browser, group, "alice.0", { withCamera: true });
    const two = await join(browser, group, "bob.0", { withCamera: true });
    await Promise.all([waitForFrames(one.peer.page, "2"), waitForFrames(two.peer.page, "2")]);
    expect(one.leg.camera && two.leg.camera).toBe(true);
    expect(slotsOf(group.events, "alice.0")).toEqual({ "2": "bob.0" });
    expect(slotsOf(group.events, "bob.0")).toEqual({ "2": "alice.0" });
    await leave(one, two);
  });

  it("appear when switched on in the call, go when switched off, and come again", async () => {
    const group = new FakeGroup(side, "video-2", "half-duplex");
    const one = await join(browser, group, "alice.0");
    const two = await join(browser, group, "bob.0");
    expect(one.leg.camera).toBe(false);
    await change(one.leg, one.peer, { withCamera: true });
    await waitForFrames(two.peer.page, "2");
    expect(group.changes).toEqual(["alice.0"]);
    await change(one.leg, one.peer, { withCamera: false });
    expect(one.leg.camera).toBe(false);
    expect(slotsOf(group.events, "bob.0")).toEqual({});
    await change(one.leg, one.peer, { withCamera: true });
    // In the first line again, or in the next while the first rests.
    const [mid] = await vi.waitFor(() => {
      const entry = Object.entries(slotsOf(group.events, "bob.0")).find(([, leg]) => leg === "alice.0");
      if (entry === undefined) throw new Error("not seen yet");
      return entry;
    }, 10_000);
    await waitForFrames(two.peer.page, mid);
    await leave(one, two);
  });

  it("leave the others' slots when their browser leaves", async () => {
    const group = new FakeGroup(side, "video-3", "half-duplex");
    const one = await join(browser, group, "alice.0", { withCamera: true });
    const two = await join(browser, group, "bob.0");
    await waitForFrames(two.peer.page, "2");
    one.leg.close();
    expect(slotsOf(group.events, "bob.0")).toEqual({});
    await leave(one, two);
  });

  it("are not seen in another group", async () => {
    const [here, there] = [
      new FakeGroup(side, "video-4", "half-duplex"),
      new FakeGroup(side, "video-5", "half-duplex"),
    ];
    const one = await join(browser, here, "alice.0", { withCamera: true });
    const other = await join(browser, there, "carol.0");
    const two = await join(browser, here, "bob.0");
    await waitForFrames(two.peer.page, "2");
    expect(Object.values(await framesDecoded(other.peer.page)).every((frames) => frames === 0)).toBe(true);
    expect(slotsOf(there.events, "carol.0")).toEqual({});
    await leave(one, other, two);
  });

  it("pause while their browser holds", async () => {
    const group = new FakeGroup(side, "video-6", "half-duplex");
    const one = await join(browser, group, "alice.0", { withCamera: true });
    const two = await join(browser, group, "bob.0", { withCamera: true });
    await waitForFrames(one.peer.page, "2");
    await change(one.leg, one.peer, { hold: true });
    expect(slotsOf(group.events, "alice.0")).toEqual({});
    expect(slotsOf(group.events, "bob.0")).toEqual({});
    await change(one.leg, one.peer, { hold: false });
    await Promise.all([waitForFrames(one.peer.page, "2"), waitForFrames(two.peer.page, "2")]);
    await leave(one, two);
  });
});
