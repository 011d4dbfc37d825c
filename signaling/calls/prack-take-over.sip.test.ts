import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";
import { dialogOfCaller, openScriptedPhone, type ScriptedPhone } from "./testing/scripted-phone.ts";
import { TEST_PROVISION } from "./testing/start-calls.ts";
import { startSignalingProcess, type SignalingProcess } from "./testing/start-processes.ts";

let redisServer: RedisServer;
let redis: RedisConnection;
let processes: SignalingProcess[] = [];
let alice: ScriptedPhone;
let bob: ScriptedPhone;

beforeEach(async () => {
  redisServer = await startRedis();
  redis = connect(redisServer.url, { log: silent });
  await applyProvision(redis, parseProvision(TEST_PROVISION));
  const sipPort = await freeSipPort();
  processes = await Promise.all(
    ["one", "two"].map((name) => startSignalingProcess(name, redisServer.url, sipPort)),
  );
  alice = await openScriptedPhone(`127.0.0.1:${sipPort}`, "alice", "alice-secret");
  bob = await openScriptedPhone(`127.0.0.1:${sipPort}`, "bob", "bob-secret");
});
afterEach(async () => {
  alice.close();
  bob.close();
  for (const process of processes) await process.kill();
  redis.disconnect();
  await redisServer.stop();
});

/** Kills whoever worked last on the one call there is. */
async function killItsWorker(): Promise<void> {
  const [key = ""] = await redis.keys("*:call:*");
  const worker = /"worker":"(one|two)-/.exec((await redis.get(key)) ?? "")?.[1];
  const victim = processes.find(({ name }) => name === worker);
  if (!victim) throw new Error("nobody works on the call");
  await victim.kill();
}
const ok = (method: string) =>
  alice.next(({ cseq, status }) => status === 200 && cseq.method === method, 8_000);

/** A call whose callee has sent a reliable 183 that the caller has. */
async function progressing() {
  alice.say({ method: "INVITE", seq: 1, to: "bob", headers: "Supported: 100rel\r\n", body: SDP });
  const invite = await bob.next("INVITE");
  bob.answer(invite, 183, { headers: "Require: 100rel\r\nRSeq: 5\r\n", body: SDP });
  const progress = await alice.next(183);
  const prack = { method: "PRACK", seq: 2, headers: `RAck: ${progress.header("rseq") ?? ""} 1 INVITE\r\n` };
  return { invite, progress, prack };
}

describe("a signaling process killed with -9", () => {
  it("before the PRACK leaves a 183 that comes again alike, and a PRACK that the survivor passes on", async () => {
    const { invite, progress, prack } = await progressing();
    await killItsWorker();
    expect((await alice.next(183, 8_000)).text).toBe(progress.text);
    alice.say(prack, dialogOfCaller(progress));
    const theirs = await bob.next("PRACK", 8_000);
    expect(theirs.header("rack")).toBe(`5 ${invite.cseq.seq} INVITE`);
    bob.answer(theirs, 200);
    await ok("PRACK");
    bob.answer(invite, 200);
    await ok("INVITE");
    await bob.next("ACK");
  });

  it("while the callee has the PRACK leaves it to the survivor, byte for byte, and its answer to the caller", async () => {
    const { progress, prack } = await progressing();
    alice.say({ ...prack, body: SDP }, dialogOfCaller(progress));
    const theirs = await bob.next("PRACK");
    await killItsWorker();
    expect((await bob.next("PRACK", 8_000)).text).toBe(theirs.text);
    bob.answer(theirs, 200, { body: SDP });
    expect((await ok("PRACK")).body).toBe(SDP);
  });
});
