import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";

/** Debian's Chromium with a false microphone and camera, told to stay off the network. */
const browserArguments = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--autoplay-policy=user-gesture-required",
];

/** @param permissions what the operator allows when the browser asks */
export async function startBrowser(
  permissions: readonly ("microphone" | "camera")[] = ["microphone", "camera"],
) {
  const profile = await mkdtemp(join(tmpdir(), "crossband-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    headless: true,
    args: browserArguments,
    viewport: { width: 1366, height: 768 },
  });
  await context.grantPermissions([...permissions]);
  return {
    context,
    /** A page that loses the focus as a real one does; Playwright keeps every page focused otherwise. */
    async open(url: string): Promise<Page> {
      const page = await context.newPage();
      await page.goto(url);
      const devtools = await context.newCDPSession(page);
      await devtools.send("Emulation.setFocusEmulationEnabled", { enabled: false });
      await page.bringToFront();
      return page;
    },
    async close(): Promise<void> {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
