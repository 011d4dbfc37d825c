import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import type { TestBrowser } from "./browser.ts";

/** What `page/peer.js` puts into a page. */
interface TestPeer {
  answer(sdp: string, options: { withCamera?: boolean }): Promise<string>;
  offer(): Promise<string>;
  reoffer(options: { hold?: boolean; withCamera?: boolean }): Promise<string>;
  accept(sdp: string): Promise<void>;
  close(): void;
}

declare const testPeer: TestPeer;

/** A browser that exchanges descriptions by hand: WebRTC without SIP. */
export interface RawPeer {
  readonly page: Page;
  answer(sdp: string, options?: { withCamera?: boolean }): Promise<string>;
  offer(): Promise<string>;
  reoffer(options?: { hold?: boolean; withCamera?: boolean }): Promise<string>;
  accept(sdp: string): Promise<void>;
  close(): Promise<void>;
}

/** An origin that Chromium counts as secure; the page is made up, nothing listens there. */
const ADDRESS = "http://localhost/raw-peer";

export async function openRawPeer(browser: TestBrowser): Promise<RawPeer> {
  const page = await browser.openPage();
  await page.route(ADDRESS, (route) =>
    route.fulfill({ contentType: "text/html", body: "<!doctype html><title>peer</title><body></body>" }),
  );
  await page.addInitScript({ path: fileURLToPath(new URL("page/peer.js", import.meta.url)) });
  await page.goto(ADDRESS);
  return {
    page,
    answer: (sdp, options = {}) =>
      page.evaluate(([sdp, options]) => testPeer.answer(sdp, options), [sdp, options] as const),
    offer: () => page.evaluate(() => testPeer.offer()),
    reoffer: (options = {}) => page.evaluate((options) => testPeer.reoffer(options), options),
    accept: (sdp) => page.evaluate((sdp) => testPeer.accept(sdp), sdp),
    close: () =>
      page.evaluate(() => {
        testPeer.close();
      }),
  };
}
