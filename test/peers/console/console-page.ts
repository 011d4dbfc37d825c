import type { Page } from "playwright-core";
import { Recording } from "../audio/recording.ts";
import {
  framesDecoded,
  installEars,
  playSamples,
  speakTone,
  hush,
  waitForConnection,
} from "../browser/media.ts";
import type { TestBrowser } from "../browser/browser.ts";

/** How long a person would wait for the page to do what it was told, in ms. */
const PATIENCE_MS = 15_000;

/** The real console in a real browser, used as an operator uses it: by its labels, its buttons and its keys. */
export class ConsolePage {
  readonly page: Page;
  /** What the first joined group sent to this page, at 8 kHz, before the console's own volume. */
  readonly heard = new Recording();
  readonly #group: string;

  private constructor(page: Page, group: string) {
    this.page = page;
    this.#group = group;
  }

  /** Opens the console, signs in, joins a group and waits until its media runs. */
  static async join(
    browser: TestBrowser,
    at: { http: string; user: string; password: string; group: string },
  ): Promise<ConsolePage> {
    const page = await browser.openPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const console = new ConsolePage(page, at.group);
    await installEars(page, 0, console.heard);
    await page.goto(at.http);
    // Playwright keeps every page focused by itself; an operator's browser does not.
    const debug = await page.context().newCDPSession(page);
    await debug.send("Emulation.setFocusEmulationEnabled", { enabled: false });
    await page.bringToFront();
    await page.getByLabel("User").fill(at.user);
    await page.getByLabel("Password").fill(at.password);
    await page.getByRole("button", { name: "Go on duty" }).click();
    await page.locator('.link-badge[data-link="live"]').waitFor();
    await console.strip().getByRole("button", { name: /^Join/ }).click();
    await console.strip().and(page.locator('[data-call="in"]')).waitFor();
    await waitForConnection(page, 0, PATIENCE_MS);
    return console;
  }

  strip() {
    return this.page.locator(`[data-group="${this.#group}"]`);
  }

  /** Waits until the group's strip looks one of these ways; which. */
  async until(...looks: string[]): Promise<string> {
    await this.strip()
      .and(this.page.locator(looks.map((look) => `[data-state="${look}"]`).join(",")))
      .waitFor();
    return (await this.strip().getAttribute("data-state")) ?? "";
  }

  async press(): Promise<"granted" | "refused"> {
    await this.page.keyboard.down("F8");
    return (await this.until("on-air", "busy")) === "on-air" ? "granted" : "refused";
  }

  async release(): Promise<void> {
    await this.page.keyboard.up("F8");
    await this.until("selected", "idle", "receiving");
  }

  /** Opens or shuts the microphone in a full-duplex group. */
  async toggleMicrophone(): Promise<void> {
    await this.strip()
      .getByRole("button", { name: /^Mute mic on/ })
      .click();
  }

  async toggleCamera(): Promise<void> {
    await this.strip()
      .getByRole("button", { name: /^Camera/ })
      .click();
  }

  /** Names of the cameras of others that are shown. */
  tiles(): Promise<string[]> {
    return this.page.locator('.tile[data-own="false"]').allInnerTexts();
  }

  /** Video frames decoded so far, all lines together. */
  async videoFrames(): Promise<number> {
    return Object.values(await framesDecoded(this.page, 0)).reduce((sum, frames) => sum + frames, 0);
  }

  sendTone(hz: number): Promise<void> {
    return speakTone(this.page, hz);
  }

  sendSpeech(samples: Int16Array): Promise<void> {
    return playSamples(this.page, samples, 8_000);
  }

  sendSilence(): Promise<void> {
    return hush(this.page);
  }

  close(): Promise<void> {
    return this.page.close();
  }
}
