import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import type { CallDetail } from "#signaling/calls/call/effect.ts";
import { startScriptedMedia, type ScriptedMedia } from "#signaling/calls/testing/scripted-media.ts";
import { TEST_PROVISION } from "#signaling/calls/testing/start-calls.ts";
import { startSignalingProcess, type SignalingProcess } from "#signaling/calls/testing/start-processes.ts";
import type { Call } from "#test/peers/sip-phone/call.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";

let redisServer: RedisServer;
let redis: RedisConnection;
let media: ScriptedMedia;
let processes: SignalingProcess[] = [];
const phones: Phone[] = [];
let sipPort = 0;

beforeEach(async () => {
  redisServer = await startRedis();
  redis = connect(redisServer.url, { log: silent });
  await applyProvision(redis, parseProvision(TEST_PROVISION));
  media = await startScriptedMedia(redisServer.url);
  sipPort = await freeSipPort();
  processes = await Promise.all(
    ["one", "two"].map((name) => startSignalingProcess(name, redisServer.url, sipPort)),
  );
});
afterEach(async () => {
  for (const phone of phones.splice(0)) phone.close();
  for (const process of processes) await process.kill();
  await media.close();
  redis.disconnect();
  await redisServer.stop();
});

async function registered(user: "alice" | "bob" | "carol"): Promise<Phone> {
  const server = `127.0.0.1:${sipPort}`;
  const phone = await createPhone({ server, domain: "crossband.test", user, password: `${user}-secret` });
  phones.push(phone);
  await phone.register();
  return phone;
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
async function detailsLeft(): Promise<CallDetail[]> {
  const rows = await Promise.all((await redis.keys("*:cdr")).map((key) => redis.xrange(key, "-", "+")));
  return rows.flat().map(([, fields]) => JSON.parse(fields[1] ?? "{}") as CallDetail);
}
const rooms = () => [...media.legs.values()].map(({ member }) => member.id).sort();

/** Alice has referred bob to carol, whose phone rings. */
async function referred(): Promise<{
  ours: Call;
  bobs: Call;
  ringing: Awaited<ReturnType<Phone["incoming"]>>;
}> {
  const [alice, bob, carol] = [await registered("alice"), await registered("bob"), await registered("carol")];
  const invite = await alice.invite("bob");
  const bobs = (await bob.incoming()).answer();
  const ours = await invite.answered;
  await bobs.confirmed();
  const request = ours.dialog.request("REFER", [
    ["Contact", alice.contact],
    ["Refer-To", "<sip:carol@crossband.test>"],
  ]);
  expect((await alice.endpoint.request(request, { to: alice.server })).status).toBe(202);
  return { ours, bobs, ringing: await carol.incoming() };
}

describe("a transfer when a signaling process is killed with -9", () => {
  it.each([
    ["that has the referrer's call", /"referral"/],
    ["that calls the target", /"dialling"/],
  ])(
    "%s is finished by another: one call each, both parties talk, and hang up together",
    async (_title, record) => {
      const { ours, bobs, ringing } = await referred();
      await killWorkerOf(record);
      const carols = ringing.answer();
      await carols.confirmed(10_000);
      await ours.ended;
      await expect.poll(rooms, { timeout: 10_000 }).toEqual(["bob", "carol"]);
      await bobs.hangup();
      await carols.ended;
      await expect.poll(async () => (await detailsLeft()).map(({ from, to }) => `${from} ${to}`).sort()).toEqual(["alice bob", "bob carol"]); // prettier-ignore
      await expect.poll(rooms, { timeout: 10_000 }).toEqual([]);
    },
  );

  it("leaves no party alone when the other side's process dies with its hang-up untold", async () => {
    const { ours, bobs, ringing } = await referred();
    const carols = ringing.answer();
    await ours.ended;
    await expect.poll(rooms, { timeout: 10_000 }).toEqual(["bob", "carol"]);
    const release = media.hold();
    await carols.hangup();
    await killWorkerOf(/"bridged","name":"ended"|"bridged".*"ended"/);
    release();
    await bobs.ended;
    await expect.poll(rooms, { timeout: 15_000 }).toEqual([]);
  });
});
