import type { GroupPolicy } from "#common/media-control.ts";
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
  const floor = async (hold: string, action: "request" | "release") =>
    (await media.floor({ group: group.id, leg, hold, action })).outcome;
  return {
    leg,
    peer,
    press: (hold) => floor(hold, "request"),
    release: (hold) => floor(hold, "release"),
    async leave() {
      await media.remove(leg);
      await peer.page.context().close();
    },
  };
}
