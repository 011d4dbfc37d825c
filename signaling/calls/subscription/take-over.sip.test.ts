import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { openChangeNotes, type ChangeNotes } from "#state/subscription/change-notes.ts";
import { groupSnapshotKey } from "#state/talk-group/talk-group.keys.ts";
import { useProcessPair } from "#signaling/calls/testing/process-pair.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { watch, type Watch } from "#test/peers/sip-phone/watch.ts";

/** What is promised after a kill -9, in ms. */
const CONVERGES_MS = 5_000;

const pair = useProcessPair();
let notes: ChangeNotes;
const watches: Watch[] = [];

beforeEach(() => {
  notes = openChangeNotes(pair.redis, silent);
});
afterEach(async () => {
  for (const each of watches.splice(0)) await each.refresh(0);
  notes.close();
});

async function watching(phone: Phone, target: string, event: string): Promise<Watch> {
  const made = await watch(phone, target, event);
  expect(made.status).toBe(200);
  await made.next();
  watches.push(made);
  return made;
}
async function mirror(ids: readonly string[]): Promise<void> {
  const participants = ids.map((id) => ({
    id,
    name: id,
    kind: "phone",
    priority: 5,
    leg: `leg-${id}`,
    camera: false,
  }));
  await pair.redis.set(groupSnapshotKey("fire-1"), JSON.stringify({ group: "fire-1", floor: { state: "idle", seq: 1 }, participants, talking: [] })); // prettier-ignore
  await expect.poll(() => notes.watches("conference:fire-1"), { timeout: 3_000 }).toBe(true);
  notes.note("conference:fire-1");
}
const states = ({ body }: Watch) => [...body.matchAll(/<state>(\w+)</g)].map(([, state]) => state);

describe("subscriptions when a signaling process is killed with -9", () => {
  it("are told of a change by the one that is left, once, with the next CSeq", async () => {
    const alice = await pair.registered("alice");
    const made = await watching(alice, "fire-1", "conference");
    await pair.killWorkerOf(/"subscription"/);
    await mirror(["bob"]);
    const notice = await made.next(CONVERGES_MS);
    expect(notice.body).toContain("sip:bob@crossband.test");
    expect(notice.sequence).toBe((made.notices[0]?.sequence ?? 0) + 1);
    await mirror(["bob", "carol"]);
    await made.next(CONVERGES_MS);
    expect(made.notices.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  });

  it("are refreshed and ended by the one that is left, and leave nothing behind", async () => {
    const alice = await pair.registered("alice");
    const made = await watching(alice, "fire-1", "conference");
    await pair.killWorkerOf(/"subscription"/);
    expect((await made.refresh(60)).status).toBe(200);
    expect((await made.next()).state).toMatch(/^active/);
    expect((await made.refresh(0)).status).toBe(200);
    expect((await made.next()).state).toBe("terminated;reason=timeout");
    await expect.poll(() => pair.redis.keys("*:subscriptions:*")).toEqual([]);
  });

  it("show a call whose process died with its change untold, and its end", async () => {
    const [alice, bob] = [await pair.registered("alice"), await pair.registered("bob")];
    const made = await watching(alice, "bob", "dialog");
    await expect.poll(() => notes.watches("dialog:bob"), { timeout: 3_000 }).toBe(true);
    const invite = await bob.invite("alice");
    const incoming = await alice.incoming();
    await pair.killWorkerOf(/"kind":"user"/);
    await expect.poll(() => states(made), { timeout: CONVERGES_MS }).not.toEqual([]);
    const theirs = incoming.answer();
    const ours = await invite.answered;
    await theirs.confirmed(10_000);
    await expect.poll(() => states(made), { timeout: CONVERGES_MS }).toEqual(["confirmed"]);
    await ours.hangup();
    await expect.poll(() => states(made), { timeout: CONVERGES_MS }).toEqual([]);
    const sequences = made.notices.map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, i) => i + 1));
  });
});
