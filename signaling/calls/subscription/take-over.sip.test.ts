import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { openChangeNotes, type ChangeNotes } from "#state/subscription/change-notes.ts";
import { groupSnapshotKey } from "#state/talk-group/talk-group.keys.ts";
import { startScriptedMedia, type ScriptedMedia } from "#signaling/calls/testing/scripted-media.ts";
import { TEST_PROVISION } from "#signaling/calls/testing/start-calls.ts";
import { startSignalingProcess, type SignalingProcess } from "#signaling/calls/testing/start-processes.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { watch, type Watch } from "#test/peers/sip-phone/watch.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";

/** What is promised after a kill -9, in ms. */
const CONVERGES_MS = 5_000;

let redisServer: RedisServer;
let redis: RedisConnection;
let media: ScriptedMedia;
let notes: ChangeNotes;
let processes: SignalingProcess[] = [];
const phones: Phone[] = [];
let sipPort = 0;

beforeEach(async () => {
  redisServer = await startRedis();
  redis = connect(redisServer.url, { log: silent });
  await applyProvision(redis, parseProvision(TEST_PROVISION));
  media = await startScriptedMedia(redisServer.url);
  notes = openChangeNotes(redis, silent);
  sipPort = await freeSipPort();
  processes = await Promise.all(
    ["one", "two"].map((name) => startSignalingProcess(name, redisServer.url, sipPort)),
  );
});
afterEach(async () => {
  notes.close();
  for (const phone of phones.splice(0)) phone.close();
  for (const process of processes) await process.kill();
  await media.close();
  redis.disconnect();
  await redisServer.stop();
});

async function registered(user: "alice" | "bob"): Promise<Phone> {
  const phone = await createPhone({
    server: `127.0.0.1:${sipPort}`,
    domain: "crossband.test",
    user,
    password: `${user}-secret`,
  });
  phones.push(phone);
  await phone.register();
  return phone;
}
async function watching(phone: Phone, target: string, event: string): Promise<Watch> {
  const made = await watch(phone, target, event);
  expect(made.status).toBe(200);
  await made.next();
  return made;
}
/** Kills the process that last worked on the one record that matches. */
async function killWorkerOf(pattern: RegExp): Promise<void> {
  for (const key of await redis.keys("*:call:*")) {
    const text = (await redis.get(key)) ?? "";
    if (!pattern.test(text)) continue;
    const worker = /"worker":"(one|two)-/.exec(text)?.[1];
    const victim = processes.find(({ name }) => name === worker);
    if (!victim) throw new Error("nobody works on it");
    await victim.kill();
    return;
  }
  throw new Error("no such record");
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
  await redis.set(groupSnapshotKey("fire-1"), JSON.stringify({ group: "fire-1", floor: { state: "idle", seq: 1 }, participants, talking: [] })); // prettier-ignore
  await expect.poll(() => notes.watches("conference:fire-1"), { timeout: 3_000 }).toBe(true);
  notes.note("conference:fire-1");
}
const states = ({ body }: Watch) => [...body.matchAll(/<state>(\w+)</g)].map(([, state]) => state);

describe("subscriptions when a signaling process is killed with -9", () => {
  it("are told of a change by the one that is left, once, with the next CSeq", async () => {
    const alice = await registered("alice");
    const made = await watching(alice, "fire-1", "conference");
    await killWorkerOf(/"subscription"/);
    await mirror(["bob"]);
    const notice = await made.next(CONVERGES_MS);
    expect(notice.body).toContain("sip:bob@crossband.test");
    expect(notice.sequence).toBe((made.notices[0]?.sequence ?? 0) + 1);
    await mirror(["bob", "carol"]);
    await made.next(CONVERGES_MS);
    expect(made.notices.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  });

  it("are refreshed and ended by the one that is left, and leave nothing behind", async () => {
    const alice = await registered("alice");
    const made = await watching(alice, "fire-1", "conference");
    await killWorkerOf(/"subscription"/);
    expect((await made.refresh(60)).status).toBe(200);
    expect((await made.next()).state).toMatch(/^active/);
    expect((await made.refresh(0)).status).toBe(200);
    expect((await made.next()).state).toBe("terminated;reason=timeout");
    await expect.poll(() => redis.keys("*:subscriptions:*")).toEqual([]);
  });

  it("show a call whose process died with its change untold, and its end", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const made = await watching(alice, "bob", "dialog");
    await expect.poll(() => notes.watches("dialog:bob"), { timeout: 3_000 }).toBe(true);
    const invite = await bob.invite("alice");
    const incoming = await alice.incoming();
    await killWorkerOf(/"kind":"user"/);
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
