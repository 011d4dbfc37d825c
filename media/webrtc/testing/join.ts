import type { MediaLeg } from "#media/group/leg.ts";
import type { TestBrowser } from "#test/peers/browser/browser.ts";
import { waitForConnection } from "#test/peers/browser/media.ts";
import { openRawPeer, type RawPeer } from "#test/peers/browser/raw-peer.ts";
import type { FakeGroup } from "./fake-group.ts";

export interface Joined {
  readonly leg: MediaLeg;
  readonly peer: RawPeer;
}

/** Joins a new page to a group: our offer, its answer, and connected. */
export async function join(
  browser: TestBrowser,
  group: FakeGroup,
  id: string,
  options: { withCamera?: boolean } = {},
): Promise<Joined> {
  const leg = group.open(id);
  const peer = await openRawPeer(browser);
  const { description } = await leg.negotiate({ type: "none", webrtc: true });
  if (description?.type !== "offer") throw new Error("there is no offer");
  await leg.negotiate({ type: "answer", sdp: await peer.answer(description.sdp, options) });
  await waitForConnection(peer.page);
  return { leg, peer };
}

/** Ends legs and closes their pages. */
export async function leave(...joined: readonly Joined[]): Promise<void> {
  for (const { leg, peer } of joined) {
    leg.close();
    await peer.page.context().close();
  }
}

/** A change that the browser offers and we answer. */
export async function change(
  leg: MediaLeg,
  peer: RawPeer,
  options: { hold?: boolean; withCamera?: boolean },
): Promise<void> {
  const { description } = await leg.negotiate({ type: "offer", sdp: await peer.reoffer(options) });
  if (description?.type !== "answer") throw new Error("there is no answer");
  await peer.accept(description.sdp);
}
