import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import { installMedia } from "./media.ts";

/** Debian's Chromium, unless the environment names another. */
const EXECUTABLE = process.env["CHROMIUM_BIN"] ?? "/usr/bin/chromium";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
];

export interface TestBrowser {
  /** A page of its own session, with the tests' microphone and ears installed before anything else runs in it. */
  openPage(): Promise<Page>;
  close(): Promise<void>;
}

/** Starts headless Chromium with an empty profile, a made-up camera and no network but the machine's own. */
export async function openBrowser(): Promise<TestBrowser> {
  const browser = await chromium.launch({ executablePath: EXECUTABLE, headless: true, args: FLAGS });
  const sessions: BrowserContext[] = [];
  return {
    openPage: async () => {
      const session = await browser.newContext({
        permissions: ["microphone", "camera"],
        ignoreHTTPSErrors: true,
      });
      sessions.push(session);
      await installMedia(session);
      return session.newPage();
    },
    close: async () => {
      for (const session of sessions) await session.close().catch(() => undefined);
      await browser.close();
    },
  };
}

/** Starts Chromium with one window whose tabs take the focus from each other, as a person's do. */
export async function openWindow(): Promise<TestBrowser> {
  const profile = await mkdtemp(join(tmpdir(), "crossband-window-"));
  const window = await chromium.launchPersistentContext(profile, {
    executablePath: EXECUTABLE,
    headless: true,
    args: FLAGS,
    permissions: ["microphone", "camera"],
  });
  await installMedia(window);
  return {
    openPage: () => window.newPage(),
    close: async () => {
      await window.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
