import { mkdir } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type {
  FloorAnswer,
  FloorRequest,
  GroupEvent,
  GroupSnapshot,
  Member,
  Participant,
} from "#common/media-control.ts";
import { startTestApi, type TestApi } from "#api/testing/start-test-api.ts";
import { announceInstance } from "#state/instance/instance.ts";
import { groupChannel } from "#state/talk-group/talk-group.keys.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { accessibilityFaults } from "#test/peers/console/accessibility.ts";
import { startFakeSignaling } from "#test/peers/console/fake-signaling.ts";
import { startBrowser } from "#test/peers/console/start-page.ts";

/** The console in a browser, against the real api with a media process and a signaling process that a test plays. */
let redis: RedisServer;
let api: TestApi;
let signaling: Awaited<ReturnType<typeof startFakeSignaling>>;
let browser: Awaited<ReturnType<typeof startBrowser>>;
let announcing: NodeJS.Timeout;
let page: Page;

const engine7: Member = { id: "engine-7", name: "Engine 7", kind: "radio", priority: 5 };
/** Floor requests as the media process got them, and what it answers to a request. */
const asked: FloorRequest[] = [];
let answerRequest: (request: FloorRequest) => FloorAnswer;
let seq = 1;
const participants = (): Participant[] => [
  {
    leg: signaling.lastLeg(),
    id: api.alice,
    name: "Alice Rivera",
    kind: "browser",
    priority: 5,
    camera: false,
  },
  { ...engine7, leg: "radio.engine-7", camera: true },
];
const grant = (): FloorAnswer => ({ outcome: "granted", seq: seq++, untilMs: Date.now() + 3_000 });

beforeAll(async () => {
  redis = await startRedis();
  process.env["REDIS_URL"] = redis.url;
  signaling = await startFakeSignaling();
  api = await startTestApi(async ({ path, body }): Promise<FloorAnswer | GroupSnapshot> => {
    await Promise.resolve();
    if (path.startsWith("/groups/"))
      return {
        group: api.group,
        floor: { state: "idle", seq: 0 },
        participants: participants(),
        talking: [],
      };
    const request = body as FloorRequest;
    asked.push(request);
    return request.action === "release" ? { outcome: "released", seq: seq++ } : answerRequest(request);
  });
  const announce = (): void => void announceInstance(api.redis, signaling.card);
  announce();
  announcing = setInterval(announce, 300);
  browser = await startBrowser();
  await mkdir("test-results", { recursive: true });
});

afterAll(async () => {
  await browser.close();
  clearInterval(announcing);
  signaling.stop();
  await api.stop();
  await redis.stop();
});

beforeEach(async () => {
  asked.length = 0;
  answerRequest = grant;
  page = await browser.open(api.http);
  page.setDefaultTimeout(8_000);
});
afterEach(async () => {
  signaling.refused.clear();
  await page.close();
});

const strip = () => page.locator(`[data-group="${api.group}"]`);
const stateOf = (state: string) =>
  strip()
    .and(page.locator(`[data-state="${state}"]`))
    .waitFor();
const talkButton = () => page.locator('.talk-button[data-talk=""]');
const publish = (event: GroupEvent) => api.redis.publish(groupChannel(api.group), JSON.stringify(event));
const floorTaken = () =>
  publish({
    type: "floor",
    group: api.group,
    floor: { state: "taken", seq: seq++, leg: "radio.engine-7", holder: engine7, sinceMs: Date.now() },
  });
const floorIdle = () => publish({ type: "floor", group: api.group, floor: { state: "idle", seq: seq++ } });
const released = () => expect.poll(() => asked.at(-1)?.action, { timeout: 3_000 }).toBe("release");
const microphone = () => page.locator("[data-microphone]").getAttribute("data-microphone");

const signIn = async (password = "correct horse") => {
  await page.getByLabel("User").fill(api.alice);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Go on duty" }).click();
};
const join = async () => {
  await signIn();
  await page.locator('.link-badge[data-link="live"]').waitFor();
  await expect.poll(microphone).toBe("ready");
  await expect.poll(() => signaling.requests.some((request) => request.startsWith("REGISTER"))).toBe(true);
  await strip().getByRole("button", { name: /^Join/ }).click();
  await strip().and(page.locator('[data-call="in"]')).waitFor();
  await publish({ type: "participants", group: api.group, participants: participants() });
  await page.locator("[data-participant]").first().waitFor();
};
const holdF8 = async () => {
  await page.keyboard.down("F8");
  await stateOf("on-air");
};

describe("signing in", () => {
  it("refuses a wrong password in words and lets one try again", async () => {
    await signIn("wrong");
    await page.getByText("User or password is wrong.").waitFor();
    await join();
  });

  it("works without a microphone and says what to do about it", async () => {
    const other = await startBrowser([]);
    try {
      page = await other.open(api.http);
      await signIn();
      await page.getByText("The browser blocks the microphone for this site.").waitFor();
      await page.getByRole("button", { name: "Retry" }).waitFor();
      await strip().getByRole("button", { name: /^Join/ }).click();
      await strip().and(page.locator('[data-call="in"]')).waitFor();
    } finally {
      await other.close();
    }
  });

  it("says so when a group refuses the call", async () => {
    signaling.refused.set(api.group, 403);
    await signIn();
    await page.locator('.link-badge[data-link="live"]').waitFor();
    await strip().getByRole("button", { name: /^Join/ }).click();
    await page.getByText("Fire Dispatch 1 cannot be joined: you are not a member.").waitFor();
  });
});

describe("talking", () => {
  it("follows the grant: asking, then on air, then released", async () => {
    await join();
    await holdF8();
    expect(await talkButton().getAttribute("aria-pressed")).toBe("true");
    expect(await page.title()).toBe("● ON AIR Fire Dispatch 1");
    await page.keyboard.up("F8");
    await stateOf("selected");
    await released();
    expect(new Set(asked.map(({ hold }) => hold)).size).toBe(1);
  });

  it("renews the lease each second while the button is held", async () => {
    await join();
    await talkButton().hover();
    await page.mouse.down();
    await stateOf("on-air");
    await expect
      .poll(() => asked.filter(({ action }) => action === "renew").length, { timeout: 5_000 })
      .toBeGreaterThan(1);
    await page.mouse.up();
    await released();
  });

  it("is refused while another talks, naming who, and the microphone stays shut", async () => {
    await join();
    await floorTaken();
    await stateOf("receiving");
    answerRequest = () => ({ outcome: "denied", seq: seq++, cause: "busy", holder: engine7 });
    await page.keyboard.down("F8");
    await stateOf("busy");
    await page.getByText("Fire Dispatch 1 is busy: Engine 7 is talking.").first().waitFor();
    expect(await talkButton().getAttribute("aria-pressed")).toBe("false");
    await page.keyboard.up("F8");
    await stateOf("receiving");
    await floorIdle();
    await stateOf("selected");
  });

  it("waits in the queue and talks when its turn comes", async () => {
    await join();
    answerRequest = () => ({ outcome: "queued", seq: seq++, position: 1, holder: engine7 });
    await page.keyboard.down("F8");
    await stateOf("queued");
    const { hold, leg } = asked[0] ?? { hold: "", leg: "" };
    answerRequest = grant;
    await publish({ type: "floor-result", group: api.group, leg, hold, result: "granted", seq: seq++ });
    await stateOf("on-air");
    await page.keyboard.up("F8");
    await released();
  });

  it("stops at once when it is cut off, and says by whom", async () => {
    await join();
    await holdF8();
    const { hold, leg } = asked[0] ?? { hold: "", leg: "" };
    await publish({
      type: "floor-result",
      group: api.group,
      leg,
      hold,
      result: "revoked",
      seq: seq++,
      by: { ...engine7, name: "Chief 1" },
    });
    await stateOf("cut");
    await page.getByText("Chief 1 has priority on Fire Dispatch 1.").first().waitFor();
    await page.keyboard.up("F8");
    await stateOf("selected");
  });
});

describe("a press that could stay open", () => {
  const endings: [title: string, end: () => Promise<unknown>][] = [
    [
      "another tab comes to the front",
      async () => {
        const other = await browser.open("about:blank");
        await other.bringToFront();
        await released();
        await other.close();
        await page.bringToFront();
      },
    ],
    ["Escape is pressed", () => page.keyboard.press("Escape")],
    [
      "Ctrl is down at the release",
      async () => {
        await page.keyboard.down("Control");
        await page.keyboard.up("F8");
        await page.keyboard.up("Control");
      },
    ],
    [
      "a dialog opens and the key is released in it",
      async () => {
        await page.getByRole("button", { name: "Settings" }).click();
        await page.keyboard.up("F8");
        await page.keyboard.press("Escape");
      },
    ],
    [
      "the page is about to go",
      async () => {
        await page.evaluate(() => {
          window.dispatchEvent(new Event("pagehide"));
        });
      },
    ],
    [
      "the operator leaves the group",
      () =>
        strip()
          .getByRole("button", { name: /^Leave/ })
          .click(),
    ],
    ["the page is closed", () => page.close()],
    ["the operator goes off duty", () => page.getByRole("button", { name: "Go off duty" }).click()],
  ];
  it.each(endings)("is given back when %s", async (_title, end) => {
    await join();
    await holdF8();
    await end();
    await released();
  });

  it("by mouse ends when the button is released elsewhere", async () => {
    await join();
    await talkButton().hover();
    await page.mouse.down();
    await stateOf("on-air");
    await page.mouse.move(5, 300);
    await page.mouse.up();
    await released();
  });

  it("on a strip's button ends although that button left the page", async () => {
    await join();
    await strip().locator(".strip-talk").hover();
    await page.mouse.down();
    await stateOf("on-air");
    await page.evaluate(() => {
      document.querySelector(".strip-talk")?.remove();
    });
    await page.mouse.up();
    await released();
  });

  it("does not key again from the repeats of a key that Escape ended", async () => {
    await join();
    await holdF8();
    await page.keyboard.press("Escape");
    await released();
    await page.keyboard.down("F8");
    expect(await strip().getAttribute("data-state")).toBe("selected");
    await page.keyboard.up("F8");
  });
});

describe("what the operator sees", () => {
  it("is unbroken at desktop, laptop and phone width and has no serious accessibility fault", async () => {
    await join();
    await floorTaken();
    await stateOf("receiving");
    expect(await accessibilityFaults(page)).toEqual([]);
    for (const [name, width, height] of [
      ["desktop", 1920, 1080],
      ["laptop", 1366, 768],
      ["phone", 390, 844],
      ["narrow", 320, 640],
    ] as const) {
      await page.setViewportSize({ width, height });
      await page.screenshot({ path: `test-results/console-${name}.png` });
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    }
    await floorIdle();
  });

  it("shows the camera of another with its name, and hides it when it goes off", async () => {
    await join();
    const [, from] = participants();
    if (!from) throw new Error("no other participant");
    const leg = signaling.lastLeg();
    await publish({ type: "video", group: api.group, leg, slots: [{ mid: "2", from }] });
    await page.locator(".tile").getByText("Engine 7, Fire Dispatch 1").waitFor();
    await publish({ type: "video", group: api.group, leg, slots: [{ mid: "2" }] });
    await page.locator(".tile").waitFor({ state: "detached" });
  });

  it("offers the strip's controls by keyboard with one Tab stop for all strips", async () => {
    await join();
    await strip().locator(".strip-head").focus();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe(
      "Mute Fire Dispatch 1",
    );
    await page.keyboard.press("Space");
    await stateOf("muted");
  });
});

describe("losing the server", () => {
  it("refuses to talk, says so, and comes back by itself", async () => {
    await join();
    const old = api;
    const port = Number(new URL(old.http).port);
    await holdF8();
    await old.api.close();
    await stateOf("disconnected");
    await page.keyboard.up("F8");
    await page.getByText("No connection to the server.").first().waitFor();
    api = await startTestApi(async () => {
      await Promise.resolve();
      return { group: old.group, floor: { state: "idle", seq: 0 }, participants: [], talking: [] };
    }, port);
    await page.locator('.link-badge[data-link="live"]').waitFor({ timeout: 20_000 });
  });
});
