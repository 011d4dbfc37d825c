import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { callKey } from "#state/call/call.keys.ts";
import { listInstances } from "#state/instance/instance.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";
import { detailsLeft } from "./testing/details-left.ts";
import { startScriptedMedia, type ScriptedMedia } from "./testing/scripted-media.ts";
import { TEST_PROVISION } from "./testing/start-calls.ts";
import { startSignalingProcess, type SignalingProcess } from "./testing/start-processes.ts";

/** Longest time from SIGTERM to exit. */
const LEAVE_LIMIT_MS = 10_000;

let redisServer: RedisServer;
let redis: RedisConnection;
let media: ScriptedMedia;
const processes: SignalingProcess[] = [];
const phones: Phone[] = [];
let sipPort = 0;

beforeEach(async () => {
  redisServer = await startRedis();
  redis = connect(redisServer.url, { log: silent });
  await applyProvision(redis, parseProvision(TEST_PROVISION));
  media = await startScriptedMedia(redisServer.url);
  sipPort = await freeSipPort();
  await start("one");
});
afterEach(async () => {
  for (const phone of phones.splice(0)) phone.close();
  for (const process of processes.splice(0)) await process.kill();
  await media.close();
  redis.disconnect();
  await redisServer.stop();
});

async function start(name: string): Promise<SignalingProcess> {
  const process = await startSignalingProcess(name, redisServer.url, sipPort);
  processes.push(process);
  return process;
}

async function registered(user: "alice" | "bob" | "carol"): Promise<Phone> {
  const phone = await createPhone({
    server: `127.0.0.1:${sipPort}`, domain: "crossband.test", user, password: `${user}-secret`,
  }); // prettier-ignore
  phones.push(phone);
  await phone.register();
  return phone;
}

const details = () => detailsLeft(redis);

/** Who works on the calls that somebody must look at; one that merely stands needs nobody. */
async function workers(): Promise<string[]> {
  const due = await Promise.all((await redis.keys("*:due")).map((key) => redis.zrange(key, "0", "-1")));
  const records = await Promise.all(due.flat().map((call) => redis.get(callKey(call))));
  return records.map((record) => /"worker":"(one|two)-/.exec(record ?? "")?.[1] ?? "");
}

describe("a signaling process that is told to leave", () => {
  it("leaves calls in every state to another, and none of them is lost", async () => {
    const [alice, bob, carol] = [
      await registered("alice"),
      await registered("bob"),
      await registered("carol"),
    ];
    const standing = await alice.call("fire-1");
    const ringing = await carol.invite("bob");
    const incoming = await bob.incoming();
    await ringing.ringing();
    await start("two");
    const release = media.hold();
    const joining = await alice.invite("command");
    await expect.poll(() => joining.progress).toContain(100);

    const startedAt = performance.now();
    const leaving = processes[0]?.leave();
    await expect
      .poll(async () => [...new Set(await workers())], { interval: 20, timeout: 5_000 })
      .toEqual(["two"]);
    // The media tier's answer meets an instance that did not ask for it.
    release();
    expect(await leaving).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(LEAVE_LIMIT_MS);

    const joined = await joining.answered;
    const theirs = incoming.answer();
    const ours = await ringing.answered;
    await theirs.confirmed(5_000);
    expect((await standing.reinvite()).status).toBe(200);
    for (const call of [standing, joined, ours]) expect((await call.hangup()).status).toBe(200);
    await expect.poll(details).toHaveLength(3);
    expect((await details()).every(({ cause }) => cause === "caller-hung-up")).toBe(true);
  });

  it("has its calls taken over at once: who rings may be given up a moment later", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    await invite.ringing();
    await start("two");
    const [first] = processes;
    const leaving = first?.leave();
    await expect
      .poll(async () => [...new Set(await workers())], { interval: 20, timeout: 5_000 })
      .toEqual(["two"]);
    expect(await invite.cancel()).toBe(200);
    await incoming.cancelledByCaller;
    expect(await leaving).toBe(0);
    await expect.poll(details).toMatchObject([{ cause: "cancelled" }]);
  });

  it("says so on its card, asks WebSockets to connect again and ends TCP connections with FIN", async () => {
    const [card] = (await listInstances(redis)).filter(({ role }) => role === "signaling");
    const socket = new WebSocket(`ws://${card?.listeners["ws"] ?? ""}/`, "sip");
    await once(socket, "open");
    const closed = once(socket, "close") as Promise<[code: number]>;
    const tcp = connectTcp(sipPort, "127.0.0.1");
    await once(tcp, "connect");
    const failed: unknown[] = [];
    tcp.on("error", (error) => failed.push(error));
    const ended = once(tcp.resume(), "end");
    await start("two");
    const leaving = processes[0]?.leave();
    await expect
      .poll(async () => (await listInstances(redis)).filter(({ draining }) => draining).length)
      .toBe(1);
    expect((await closed)[0]).toBe(1012);
    await ended;
    expect(failed).toEqual([]);
    expect(await leaving).toBe(0);
    tcp.destroy();
  });

  it("leaves in time when nobody stays", async () => {
    const alice = await registered("alice");
    const call = await alice.call("fire-1");
    const startedAt = performance.now();
    expect(await processes[0]?.leave()).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(LEAVE_LIMIT_MS);
    await start("two");
    expect((await call.hangup()).status).toBe(200);
  });
});
