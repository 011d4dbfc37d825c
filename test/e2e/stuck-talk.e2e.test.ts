import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openWindow, type TestBrowser } from "#test/peers/browser/browser.ts";
import { ConsolePage } from "#test/peers/console/console-page.ts";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { watchFloor } from "./floor-watch.ts";
import { freeRadioChannel, passwordOf, testProvision } from "./groups.ts";

/** What a release takes from the page to the floor and back to our question, in ms. */
const AT_ONCE_MS = 1_000;
/** A grant that nobody renews ends after 3 s; the rest is the machine's. */
const LEASE_MS = 3_000 + AT_ONCE_MS;

let crossband: RunningCrossband;
let browser: TestBrowser;
let console: ConsolePage;
let floor: Awaited<ReturnType<typeof watchFloor>>;

beforeAll(async () => {
  crossband = await startCrossband({
    provision: testProvision(await freeRadioChannel()),
  });
  browser = await openWindow();
  floor = await watchFloor(crossband.ready.http, "chief", passwordOf("chief"), "fire-1");
});
afterAll(async () => {
  await browser.close();
  await crossband.end();
});
beforeEach(async () => {
  console = await ConsolePage.join(browser, {
    http: crossband.ready.http,
    user: "alice",
    password: passwordOf("alice"),
    group: "fire-1",
  });
  await floor.until("idle", LEASE_MS);
});
afterEach(() => console.close());

const hold = async () => {
  expect(await console.press()).toBe("granted");
  await floor.until("taken", AT_ONCE_MS);
};

describe("a press that could stay open leaves the floor free at the server", () => {
  it("when the window loses focus to another tab", async () => {
    await hold();
    const other = await console.page.context().newPage();
    await other.bringToFront();
    await floor.until("idle", AT_ONCE_MS);
  });

  it("when the key is released in a text field that took focus meanwhile", async () => {
    await hold();
    await console.page.evaluate(
      `document.body.append(document.createElement("input")); document.querySelector("body > input").focus()`,
    );
    await console.page.keyboard.up("F8");
    await floor.until("idle", AT_ONCE_MS);
  });

  it("when the button that is held leaves the page", async () => {
    await console.strip().locator(".strip-talk").hover();
    await console.page.mouse.down();
    await console.until("on-air");
    await floor.until("taken", AT_ONCE_MS);
    await console.page.evaluate(`document.querySelector('[data-group="fire-1"] .strip-talk').remove()`);
    await console.page.mouse.up();
    await floor.until("idle", AT_ONCE_MS);
  });

  it("when the page is closed", async () => {
    await hold();
    await console.page.close();
    await floor.until("idle", AT_ONCE_MS);
  });

  it("when the page hangs: the lease ends by itself", async () => {
    await hold();
    const hung = console.page.evaluate(() => {
      const end = Date.now() + 6_000;
      while (Date.now() < end);
    });
    await floor.until("idle", LEASE_MS);
    await hung;
  });

  it("when the connection to the server is lost", async () => {
    await hold();
    const api = crossband.reread().processes.find(({ role }) => role === "api");
    process.kill(api?.pid ?? 0, "SIGKILL");
    await crossband.until(({ processes }) =>
      processes.some(({ role, pid }) => role === "api" && pid !== api?.pid),
    );
    await floor.until("idle", LEASE_MS);
    expect(await console.strip().getAttribute("data-state")).not.toBe("on-air");
  });
});
