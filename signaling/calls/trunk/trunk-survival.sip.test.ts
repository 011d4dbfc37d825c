import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision, removeResource } from "#state/directory/directory.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { listDuties } from "#state/trunk/duties.ts";
import { claimSlot, loadOfTrunk } from "#state/trunk/slots.ts";
import { trunkCallsKey } from "#state/trunk/trunk.keys.ts";
import {
  CARRIER_SDP,
  challenging,
  openCarrier,
  registered,
  type Answer,
  type Carrier,
} from "#signaling/calls/testing/carrier.ts";
import { openStreamWire } from "#signaling/calls/testing/carrier-wire.ts";
import { eventually } from "#signaling/calls/testing/eventually.ts";
import { startScriptedMedia, type ScriptedMedia } from "#signaling/calls/testing/scripted-media.ts";
import { TEST_PROVISION } from "#signaling/calls/testing/start-calls.ts";
import { startSignalingProcess, type SignalingProcess } from "#signaling/calls/testing/start-processes.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { newCallId } from "#signaling/edge/engine/ids.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";

let server: RedisServer;
let redis: RedisConnection;
let media: ScriptedMedia;
let carrier: Carrier;
let processes: SignalingProcess[] = [];
let port = 0;
let sip = "";
let made = 0;
const phones: Phone[] = [];
const trunks: string[] = [];
const account = { username: "acct", password: "secret" };

beforeAll(async () => {
  server = await startRedis();
  redis = connect(server.url, { log: silent });
  await applyProvision(redis, parseProvision(TEST_PROVISION.replace(/trunks:.*/, "")));
  media = await startScriptedMedia(server.url);
  port = await freeSipPort();
  sip = `127.0.0.1:${port}`;
});
afterAll(async () => {
  await Promise.all(processes.map((each) => each.kill()));
  await media.close();
  redis.disconnect();
  await server.stop();
});
/** Two processes live when a test begins: whom the one before has killed is replaced. */
beforeEach(async () => {
  carrier = await openCarrier("127.0.0.61");
  const missing = Array.from({ length: 2 - processes.length }, () => `p${++made}`);
  processes.push(
    ...(await Promise.all(missing.map((name) => startSignalingProcess(name, server.url, port)))),
  );
});
afterEach(async () => {
  for (const id of trunks.splice(0)) await removeResource(redis, "trunk", id);
  for (const phone of phones.splice(0)) phone.close();
  carrier.close();
});

function apply(id: string, trunk: string, optionsSeconds = 0, { peer } = carrier): Promise<void> {
  trunks.push(id);
  const own = `{ id: ${id}, peers: ["${peer}"], optionsSeconds: ${optionsSeconds}, ${trunk} }`;
  return applyProvision(redis, parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [${own}]`)));
}

/** The process that works on a record. */
async function workerOf(record: string): Promise<SignalingProcess> {
  const [key = ""] = await redis.keys(`*:call:${record}`);
  const body = (await redis.get(key)) ?? "";
  const worker = processes.find(({ name }) => body.includes(`"worker":"${name}-`));
  if (!worker) throw new Error("nobody works on the record");
  return worker;
}
async function kill(victim: SignalingProcess): Promise<SignalingProcess> {
  await victim.kill();
  processes = processes.filter((each) => each !== victim);
  return victim;
}
const killWorkerOf = async (record: string): Promise<SignalingProcess> => kill(await workerOf(record));
/** Kills the process that has the TCP connection of a call. */
async function killOwnerOf(record: string): Promise<void> {
  const [key = ""] = await redis.keys(`*:call:${record}`);
  const owner = /"transport":"tcp"[^}]*"instance":"(p\d+)-/.exec((await redis.get(key)) ?? "")?.[1];
  const victim = processes.find(({ name }) => name === owner);
  if (!victim) throw new Error("nobody has the connection");
  await kill(victim);
}
const callOf = (tag: string | undefined): string => (tag ?? "").replace(/\.\d+$/, "");

async function registeredPhone(user: "alice" | "bob"): Promise<Phone> {
  const phone = await createPhone({
    server: sip,
    domain: "crossband.test",
    user,
    password: `${user}-secret`,
  });
  phones.push(phone);
  await phone.register();
  return phone;
}

describe("a registration when its process is killed", () => {
  it("goes on at another within seconds, with the same Call-ID and the next CSeq, and from one process alone", async () => {
    carrier.on("REGISTER", challenging(account, registered(2)));
    await apply("survivor", "username: acct, password: secret");
    await carrier.next("REGISTER");
    const before = await carrier.next("REGISTER");
    const duty = [...(await listDuties(redis))].find(([, { trunk }]) => trunk === "survivor")?.[0] ?? "";
    await eventually(async () => {
      await workerOf(duty);
    });
    const killedMs = Date.now();
    const worker = await killWorkerOf(duty);
    const after = await carrier.next("REGISTER");
    expect([after.callId, after.cseq.seq]).toEqual([before.callId, before.cseq.seq + 1]);
    expect(Date.now() - killedMs).toBeLessThan(5_000);
    const next = await carrier.next("REGISTER");
    expect(next.cseq.seq).toBe(after.cseq.seq + 1);
    expect(await workerOf(duty)).not.toBe(worker);
  });
});

/** A trunk that takes calls out; resolves when it is in force. */
async function takesCalls(id: string): Promise<void> {
  await apply(id, 'register: false, username: acct, password: secret, allow: [fire], outbound: [{ prefix: "+1" }], maxCalls: 50', 3_600); // prettier-ignore
  await carrier.next("OPTIONS");
  carrier.on("INVITE", accept);
}
const accept: Answer = () => ({ status: 200, body: CARRIER_SDP });
const strictly: Answer = challenging(account, accept);

describe("a challenge in a call whose process is killed", () => {
  it("is answered by another: the re-INVITE comes again with credentials, and its sender hears the answer", async () => {
    const alice = await registeredPhone("alice");
    await takesCalls("strict");
    const call = await alice.call("sip:+15557770001@crossband.test");
    await carrier.next("INVITE");
    carrier.on("INVITE", (request) =>
      request.header("authorization") === undefined ? undefined : strictly(request),
    );
    const held = call.hold();
    const asked = await carrier.next("INVITE");
    await killWorkerOf(callOf(asked.from.tag));
    carrier.answer(asked, strictly(asked) ?? { status: 500 });
    const again = await carrier.next("INVITE");
    expect([again.callId, again.cseq.seq, again.body]).toEqual([
      asked.callId,
      asked.cseq.seq + 1,
      asked.body,
    ]);
    expect((await held).status).toBe(200);
    await call.hangup();
    await carrier.next("BYE");
  });
});

describe("a call that came over a TCP connection whose process is killed", () => {
  it("is hung up by another, which connects to the carrier", async () => {
    const tcp = await openCarrier("127.0.0.62", await openStreamWire("127.0.0.62", 0));
    const alice = await registeredPhone("alice");
    await apply("stream", 'register: false, inbound: [{ did: "+15551240001", to: alice }]', 3_600, tcp);
    await tcp.next("OPTIONS");
    const parts = {
      uri: `sip:+15551240001@${sip}`, from: "<sip:+15557654321@carrier.example>;tag=t", to: "<sip:desk@carrier.example>", callId: `t${made}@carrier`,
    }; // prettier-ignore
    const ringing = alice.incoming();
    const answered = tcp.request(sip, { ...parts, method: "INVITE", seq: 1, body: CARRIER_SDP });
    const call = (await ringing).answer();
    const answer = await answered;
    const inDialog = { ...parts, uri: answer.contacts[0]?.uriText ?? "", to: answer.header("to") ?? "" };
    tcp.ack(sip, { ...inDialog, method: "INVITE", seq: 1 });
    await call.confirmed();
    await killOwnerOf(callOf(answer.to.tag));
    await call.hangup();
    expect((await tcp.next("BYE")).callId).toBe(parts.callId);
    tcp.close();
  });
});

describe("a transfer to a number outside whose process is killed while it rings there", () => {
  it("is finished by another, counted once, and given back when both have hung up", async () => {
    const [alice, bob] = [await registeredPhone("alice"), await registeredPhone("bob")];
    await takesCalls("referred");
    const invite = await alice.invite("bob");
    const bobs = (await bob.incoming()).answer();
    const ours = await invite.answered;
    await bobs.confirmed();
    carrier.on("INVITE", () => ({ status: 180 }));
    const request = ours.dialog.request("REFER", [["Contact", alice.contact], ["Refer-To", "<sip:+15557770001@crossband.test>"]]); // prettier-ignore
    expect((await alice.endpoint.request(request, { to: alice.server })).status).toBe(202);
    const asked = await carrier.next("INVITE");
    await expect.poll(() => ours.notified.at(-1)).toBe("SIP/2.0 180 Ringing");
    await killWorkerOf(callOf(asked.from.tag));
    carrier.answer(asked, { status: 200, body: CARRIER_SDP });
    await ours.ended;
    await expect.poll(() => [...media.legs.values()].map(({ member }) => member.id).sort(), { timeout: 10_000 }).toEqual(["+15557770001", "bob"]); // prettier-ignore
    expect((await loadOfTrunk(redis, "referred", Date.now())).calls).toBe(1);
    await bobs.hangup();
    await carrier.next("BYE");
    await eventually(async () => {
      expect((await loadOfTrunk(redis, "referred", Date.now())).calls).toBe(0);
    });
  });
});

describe("the count of a trunk when processes are killed", () => {
  it("returns to 0 after calls in every phase", async () => {
    await apply("counted", 'maxCalls: 50, inbound: [{ did: "+15551230001", to: fire-1 }]', 3_600);
    const parts = (i: number) => ({
      uri: `sip:+15551230001@${sip}`, from: `<sip:+1555765${1_000 + i}@carrier.example>;tag=f${i}`, to: "<sip:desk@carrier.example>",
      callId: `k${made}-${i}@carrier`,
    }); // prettier-ignore
    const invite = (i: number) =>
      carrier.request(sip, { ...parts(i), method: "INVITE", seq: 1, body: CARRIER_SDP });
    const hangUp = async (i: number, answer: SipMessage) => {
      const inDialog = { ...parts(i), uri: answer.contacts[0]?.uriText ?? "", to: answer.header("to") ?? "" };
      carrier.ack(sip, { ...inDialog, method: "INVITE", seq: 1 });
      expect((await carrier.request(sip, { ...inDialog, method: "BYE", seq: 2 })).status).toBe(200);
    };
    // The trunk is in force once a call is taken.
    let tried = 100;
    await eventually(async () => {
      const answer = await invite(++tried);
      expect(answer.status).toBe(200);
      await hangUp(tried, answer);
    });
    const calls = Array.from({ length: 20 }, (_, i) => invite(i));
    const first = await Promise.race(calls);
    // The carrier's messages all meet one process: it is killed when some calls are answered and others are not.
    await killWorkerOf(callOf(first.to.tag));
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect((await loadOfTrunk(redis, "counted", Date.now())).calls).toBe(20);
    // What a process that died in the midst of letting a call in leaves behind, and the time has come to look at it.
    const nobodys = newCallId();
    await claimSlot(redis, "counted", nobodys, {});
    await redis.zadd(trunkCallsKey("counted"), Date.now(), nobodys);
    await Promise.all(answers.map((answer, i) => hangUp(i, answer)));
    await eventually(async () => {
      expect((await loadOfTrunk(redis, "counted", Date.now())).calls).toBe(0);
    }, 25_000);
  }, 60_000);

  it("returns to 0 after calls out that were asking for room, calling and answered", async () => {
    const alice = await registeredPhone("alice");
    await takesCalls("asked");
    const outgoing = await Promise.all(
      Array.from({ length: 12 }, (_, i) => alice.invite(`sip:+155577701${10 + i}@crossband.test`)),
    );
    const first = await carrier.next("INVITE");
    await killWorkerOf(callOf(first.from.tag));
    const answered = await Promise.all(outgoing.map((one) => one.answered));
    expect((await loadOfTrunk(redis, "asked", Date.now())).calls).toBe(12);
    await Promise.all(answered.map((call) => call.hangup()));
    await eventually(async () => {
      expect((await loadOfTrunk(redis, "asked", Date.now())).calls).toBe(0);
    }, 25_000);
  }, 60_000);
});
