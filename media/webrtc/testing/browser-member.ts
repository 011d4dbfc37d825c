import { FLOOR_LEASE_MS, type GroupPolicy } from "#common/media-control.ts";
import type { MediaFixture } from "#media/testing/media-fixture.ts";
import type { TestBrowser } from "#test/peers/browser/browser.ts";
import { waitForConnection } from "#test/peers/browser/media.ts";
import { openRawPeer, type RawPeer } from "#test/peers/browser/raw-peer.ts";

/** A browser in a group of a real media role, its leg as signaling would open it. */
export interface BrowserMember {
  readonly leg: string;
  readonly peer: RawPeer;
  press(hold: string): Promise<string>;
  release(hold: string): Promise<string>;
  leave(): Promise<void>;
}

export async function joinBrowser(
  media: MediaFixture,
  browser: TestBrowser,
  group: GroupPolicy,
  id: string,
  options: { withCamera?: boolean } = {},
): Promise<BrowserMember> {
  const leg = `${group.id}.${id}`;
  const member = { id, name: id, kind: "browser" as const, priority: 5 };
  const peer = await openRawPeer(browser);
  const { description } = await media.put(leg, {
    revision: 1,
    group,
    member,
    description: { type: "none", webrtc: true },
  });
  if (description?.type !== "offer") throw new Error("there is no offer");
  const sdp = await peer.answer(description.sdp, options);
  await media.put(leg, { revision: 1, group, member, description: { type: "answer", sdp } });
  await waitForConnection(peer.page);
  const floor = async (hold: string, action: "request" | "renew" | "release") =>
    (await media.floor({ group: group.id, leg, hold, action })).outcome;
  let renewing: NodeJS.Timeout | undefined;
  return {
    leg,
    peer,
    press(hold) {
      // A grant is a lease: a console renews it for as long as its key is held.
      renewing = setInterval(() => void floor(hold, "renew").catch(() => undefined), FLOOR_LEASE_MS / 3);
      return floor(hold, "request");
    },
    release(hold) {
      clearInterval(renewing);
      return floor(hold, "release");
    },
    async leave() {
      clearInterval(renewing);
      await media.remove(leg);
      await peer.page.context().close();
    },
  };
}
