import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import type { CallDetail } from "#signaling/calls/call/effect.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";
import { startScriptedMedia, type ScriptedMedia } from "./testing/scripted-media.ts";
import { TEST_PROVISION } from "./testing/start-calls.ts";
import { startSignalingProcess, type SignalingProcess } from "./testing/start-processes.ts";

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

/** Kills whoever worked last on the one call there is. */
async function killItsWorker(): Promise<void> {
  const [key = ""] = await redis.keys("*:call:*");
  const worker = /"worker":"(one|two)-/.exec((await redis.get(key)) ?? "")?.[1];
  const victim = processes.find(({ name }) => name === worker);
  if (!victim) throw new Error("nobody works on the call");
  await victim.kill();
}
async function detailsLeft(): Promise<CallDetail[]> {
  const rows = await Promise.all((await redis.keys("*:cdr")).map((key) => redis.xrange(key, "-", "+")));
  return rows.flat().map(([, fields]) => JSON.parse(fields[1] ?? "{}") as CallDetail);
}

describe("a signaling process killed with -9", () => {
  it("while the media tier is asked leaves the call to another, which asks again and answers", async () => {
    const alice = await registered("alice");
    const release = media.hold();
    const invite = await alice.invite("fire-1");
    await expect.poll(() => invite.progress).toContain(100);
    await killItsWorker();
    release();
    const call = await invite.answered;
    expect(new Set(media.log.filter((line) => line.startsWith("PUT")))).toEqual(
      new Set([`PUT ${call.dialog.remoteTag ?? ""} offer`]),
    );
    await call.hangup();
    await expect.poll(detailsLeft).toHaveLength(1);
    await expect.poll(() => media.legs.size).toBe(0);
  });

  it("while the callee rings leaves the call to another: it is answered, talked in and ended once", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    await invite.ringing();
    await killItsWorker();
    const theirs = incoming.answer();
    const ours = await invite.answered;
    await theirs.confirmed(10_000);
    await theirs.hangup();
    await ours.ended;
    await expect.poll(detailsLeft).toMatchObject([{ cause: "callee-hung-up", from: "alice", to: "bob" }]);
  });

  it("while the callee rings does not keep the caller from giving up", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    await invite.ringing();
    await killItsWorker();
    expect(await invite.cancel()).toBe(200);
    await incoming.cancelledByCaller;
    await expect(invite.answered).rejects.toMatchObject({ status: 487 });
    await expect.poll(detailsLeft).toMatchObject([{ cause: "cancelled" }]);
  });

  it("while the media tier removes a leg leaves that to another", async () => {
    const alice = await registered("alice");
    const call = await alice.call("fire-1");
    const release = media.hold();
    await call.hangup();
    await killItsWorker();
    release();
    await expect.poll(() => media.legs.size, { timeout: 20_000 }).toBe(0);
    await expect.poll(detailsLeft).toHaveLength(1);
  });
});
