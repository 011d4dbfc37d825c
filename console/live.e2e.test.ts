import { mkdir } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { accessibilityFaults } from "#test/peers/console/accessibility.ts";
import { startBrowser } from "#test/peers/console/start-page.ts";

const provision = `
agencies: [{ id: county-fire, name: County Fire }, { id: city-ems, name: City EMS }]
users:
  - { id: alice, agency: county-fire, name: Alice Rivera, password: "alice secret" }
  - { id: bob, agency: city-ems, name: Bob Ode, password: "bob secret" }
talkGroups:
  - { id: fire-1, agency: county-fire, name: Fire Dispatch 1, members: [alice, bob], hangMs: 0 }
  - { id: fire-2, agency: county-fire, name: Fire Tactical 2, members: [alice, bob], queue: true }
  - { id: command, agency: county-fire, name: Command Line, mode: full-duplex, members: [alice, bob] }
  - { id: ems-a, agency: city-ems, name: EMS A, members: [bob, alice] }
`;

/** Two consoles in two browsers, and everything else as it runs in production. */
let crossband: RunningCrossband;
const browsers: Awaited<ReturnType<typeof startBrowser>>[] = [];
let alice: Page;
let bob: Page;

beforeAll(async () => {
  await mkdir("test-results", { recursive: true });
  crossband = await startCrossband({ provision });
  [alice, bob] = [await signedIn("alice"), await signedIn("bob")];
  for (const page of [alice, bob]) await join(page, "fire-1");
  for (const page of [alice, bob]) await page.locator("[data-participant]").nth(1).waitFor();
});

afterAll(async () => {
  for (const browser of browsers) await browser.close();
  await crossband.end();
});

const signedIn = async (user: string): Promise<Page> => {
  const browser = await startBrowser();
  browsers.push(browser);
  const page = await browser.open(crossband.ready.http);
  page.setDefaultTimeout(10_000);
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(`${user} secret`);
  await page.getByRole("button", { name: "Go on duty" }).click();
  await page.locator('.link-badge[data-link="live"]').waitFor();
  await page.locator('[data-microphone="ready"]').waitFor();
  return page;
};
const strip = (page: Page, group: string) => page.locator(`[data-group="${group}"]`);
const join = async (page: Page, group: string): Promise<void> => {
  await strip(page, group).getByRole("button", { name: /^Join/ }).click();
  await strip(page, group).and(page.locator('[data-call="in"]')).waitFor();
};
const state = (page: Page, group: string, look: string) =>
  strip(page, group)
    .and(page.locator(`[data-state="${look}"]`))
    .waitFor();
/** How loud a group's meter got. */
const meterPeak = (page: Page, group: string): Promise<number> =>
  page.evaluate(async (id) => {
    const bar = document.querySelector<HTMLElement>(`[data-group="${id}"] .meter-bar`);
    let peak = 0;
    // Longer than the pause between two beeps of the browser's false microphone.
    const end = performance.now() + 2_500;
    while (performance.now() < end) {
      await new Promise(requestAnimationFrame);
      peak = Math.max(peak, Number(/scaleX\(([\d.]+)\)/.exec(bar?.style.transform ?? "")?.[1] ?? 0));
    }
    return peak;
  }, group);

describe("two consoles in a half-duplex group", () => {
  it("hear each other by turns, see who talks, and are refused out of turn", async () => {
    await alice.keyboard.down("F8");
    await state(alice, "fire-1", "on-air");
    await state(bob, "fire-1", "receiving");
    await strip(bob, "fire-1").getByText("Alice Rivera").waitFor();
    expect(await meterPeak(bob, "fire-1")).toBeGreaterThan(0.3);
    await bob.keyboard.down("F8");
    await state(bob, "fire-1", "busy");
    await bob.getByText("Fire Dispatch 1 is busy: Alice Rivera is talking.").first().waitFor();
    await alice.screenshot({ path: "test-results/console-on-air.png" });
    expect(await accessibilityFaults(alice)).toEqual([]);
    await bob.screenshot({ path: "test-results/console-busy.png" });
    expect(await accessibilityFaults(bob)).toEqual([]);
    await bob.keyboard.up("F8");
    await alice.keyboard.up("F8");
    await state(bob, "fire-1", "selected");
    // The bar falls slowly, so that the eye can follow it.
    await expect.poll(() => meterPeak(bob, "fire-1"), { timeout: 10_000 }).toBeLessThan(0.1);
  });

  it("see each other's camera with its name", async () => {
    await strip(alice, "fire-1").getByRole("button", { name: "Camera on Fire Dispatch 1" }).click();
    const tile = bob.locator(".tile", { hasText: "Alice Rivera, Fire Dispatch 1" });
    await tile.waitFor();
    const frames = () =>
      tile
        .locator("video")
        .evaluate((video: HTMLVideoElement) => video.getVideoPlaybackQuality().totalVideoFrames);
    await expect.poll(frames, { timeout: 10_000 }).toBeGreaterThan(10);
    await strip(bob, "fire-1").getByRole("button", { name: "Camera on Fire Dispatch 1" }).click();
    await alice.locator(".tile", { hasText: "Bob Ode, Fire Dispatch 1" }).waitFor();
    await join(bob, "fire-2");
    await join(bob, "command");
    await bob.screenshot({ path: "test-results/console-video.png" });
    expect(await accessibilityFaults(bob)).toEqual([]);
    await strip(alice, "fire-1").getByRole("button", { name: "Camera on Fire Dispatch 1" }).click();
    await tile.waitFor({ state: "detached" });
  });

  it("queue for a group that has a queue", async () => {
    await join(alice, "fire-2");
    for (const page of [alice, bob]) await strip(page, "fire-2").locator(".strip-head").click();
    await alice.keyboard.down("F8");
    await state(alice, "fire-2", "on-air");
    await bob.keyboard.down("F8");
    await state(bob, "fire-2", "queued");
    await bob.screenshot({ path: "test-results/console-queued.png" });
    expect(await accessibilityFaults(bob)).toEqual([]);
    await alice.keyboard.up("F8");
    await state(bob, "fire-2", "on-air");
    await bob.keyboard.up("F8");
    await state(alice, "fire-2", "selected");
  });
});

describe("two consoles on an open line", () => {
  it("hear each other once they un-mute their microphones", async () => {
    await join(alice, "command");
    expect(await meterPeak(bob, "command")).toBeLessThan(0.1);
    const mute = strip(alice, "command").getByRole("button", { name: "Mute mic on Command Line" });
    expect(await mute.getAttribute("aria-pressed")).toBe("true");
    await mute.click();
    await state(alice, "command", "open-microphone");
    expect(await meterPeak(bob, "command")).toBeGreaterThan(0.3);
    await alice.screenshot({ path: "test-results/console-open-line.png" });
    expect(await accessibilityFaults(alice)).toEqual([]);
    await mute.click();
  });
});

describe("a console whose api and signaling processes are killed", () => {
  it("comes back by itself, talks again, and leaves its group in good order", async () => {
    for (const page of [alice, bob]) await strip(page, "fire-1").locator(".strip-head").click();
    const victims = crossband.reread().processes.filter(({ role }) => role === "api" || role === "signaling");
    for (const { pid } of victims) process.kill(pid, "SIGKILL");
    const dead = new Set(victims.map(({ pid }) => pid));
    await crossband.until(({ processes }) => processes.every(({ pid }) => !dead.has(pid)));
    for (const page of [alice, bob]) await page.locator('.link-badge[data-link="live"]').waitFor();
    await alice.keyboard.down("F8");
    await state(alice, "fire-1", "on-air");
    await state(bob, "fire-1", "receiving");
    expect(await meterPeak(bob, "fire-1")).toBeGreaterThan(0.3);
    await alice.keyboard.up("F8");
    await strip(alice, "fire-2")
      .getByRole("button", { name: /^Leave/ })
      .click();
    await strip(alice, "fire-2").and(alice.locator('[data-call="out"]')).waitFor();
    await expect.poll(() => strip(bob, "fire-2").locator(".people").innerText()).toContain("1");
  });
});

describe("a console that is lost while it talks", () => {
  it("frees the floor within a second", async () => {
    await strip(alice, "fire-1").locator(".strip-head").click();
    await strip(bob, "fire-1").locator(".strip-head").click();
    await alice.keyboard.down("F8");
    await state(bob, "fire-1", "receiving");
    await alice.close();
    const at = performance.now();
    await state(bob, "fire-1", "selected");
    expect(performance.now() - at).toBeLessThan(1_000);
  });
});
