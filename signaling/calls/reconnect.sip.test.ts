import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { listInstances } from "#state/instance/instance.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { followersKey } from "#state/registration/registration.keys.ts";
import { createPhone, type Phone, type PhoneOptions } from "#test/peers/sip-phone/phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";
import { startScriptedMedia, type ScriptedMedia } from "./testing/scripted-media.ts";
import { TEST_PROVISION } from "./testing/start-calls.ts";
import { startSignalingProcess, type SignalingProcess } from "./testing/start-processes.ts";

let redisServer: RedisServer;
let redis: RedisConnection;
let media: ScriptedMedia;
let one: SignalingProcess;
let two: SignalingProcess;
const phones: Phone[] = [];

async function startSystem(): Promise<void> {
  redisServer = await startRedis();
  redis = connect(redisServer.url, { log: silent });
  await applyProvision(redis, parseProvision(TEST_PROVISION));
  media = await startScriptedMedia(redisServer.url);
  // Ports of their own, so that a test says which process a client meets; UDP peers speak to the one that stays.
  const ports = [await freeSipPort(), await freeSipPort()] as const;
  const advertised = { CROSSBAND_SIP_ADVERTISED: `127.0.0.1:${ports[1]}` };
  const start = (name: string, port: number) =>
    startSignalingProcess(name, redisServer.url, port, advertised);
  [one, two] = await Promise.all([start("one", ports[0]), start("two", ports[1])]);
}
async function stopSystem(): Promise<void> {
  await Promise.all([one.kill(), two.kill()]);
  await media.close();
  redis.disconnect();
  await redisServer.stop();
}
afterEach(() => {
  for (const phone of phones.splice(0)) phone.close();
});

type Stream = "tcp" | "tls" | "ws";

async function addressOf(
  process: SignalingProcess,
  transport: Phone["options"]["transport"],
): Promise<string> {
  const card = (await listInstances(redis)).find(({ instance }) => instance.startsWith(`${process.name}-`));
  return card?.listeners[transport] ?? "";
}

async function registered(
  user: "alice" | "bob",
  process: SignalingProcess,
  transport: Stream | "udp",
  options: Partial<PhoneOptions> = {},
): Promise<Phone> {
  const phone = await createPhone({
    server: await addressOf(process, transport),
    domain: "crossband.test",
    user,
    password: `${user}-secret`,
    transport,
    ...(transport !== "udp" &&
      transport !== "ws" && { device: "urn:uuid:00000000-0000-1000-8000-000a95a0e128" }),
    ...options,
  });
  phones.push(phone);
  await phone.register();
  return phone;
}

/** bob, over UDP at process two, calls alice, who answers. */
async function talking(alice: Phone) {
  const bob = await registered("bob", two, "udp");
  const dialling = await bob.invite("alice");
  const theirs = (await alice.incoming()).answer();
  const call = await dialling.answered;
  return { bob, call, theirs };
}

const comeBack = async (phone: Phone, process: SignalingProcess): Promise<void> => {
  await phone.reconnect(await addressOf(process, phone.options.transport));
  await phone.register();
};

describe.each<Stream>(["tcp", "tls", "ws"])(
  "a client over %s that loses its connection during a call",
  (transport) => {
    beforeAll(startSystem);
    afterAll(stopSystem);

    it("registers over another process, and the hang-up of the other side reaches it there", async () => {
      const alice = await registered("alice", one, transport);
      const { call, theirs } = await talking(alice);
      alice.disconnect();
      await comeBack(alice, two);
      expect((await call.hangup(2_000)).status).toBe(200);
      await within(1_000, theirs.ended);
    });

    it("gets the hang-up that was waiting for it when it comes back", async () => {
      const alice = await registered("alice", one, transport);
      const { call, theirs } = await talking(alice);
      alice.disconnect();
      expect((await call.hangup(2_000)).status).toBe(200);
      const awaited = () => metricOf(two, "crossband_sip_lost_flows_total", "awaited");
      await expect.poll(awaited).toBe(1);
      await comeBack(alice, two);
      await within(1_000, theirs.ended);
    });

    it("hangs up itself over the new connection", async () => {
      const alice = await registered("alice", one, transport);
      const { call, theirs } = await talking(alice);
      alice.disconnect();
      await comeBack(alice, two);
      expect((await theirs.hangup(2_000)).status).toBe(200);
      await within(1_000, call.ended);
    });

    it("is rung again for a call that rang when the connection broke, and answers it", async () => {
      const alice = await registered("alice", one, transport);
      const bob = await registered("bob", two, "udp");
      const dialling = await bob.invite("alice");
      const ringing = await alice.incoming();
      await expect.poll(() => dialling.progress).toContain(180);
      const repeats = alice.endpoint.repeats;
      alice.disconnect();
      await comeBack(alice, two);
      // The very same bytes: the phone's transaction takes them for a repetition.
      await expect.poll(() => alice.endpoint.repeats, { timeout: 1_000 }).toBe(repeats + 1);
      ringing.answer();
      const call = await dialling.answered;
      expect((await call.hangup(2_000)).status).toBe(200);
    });

    it("gets it too when its process was killed with -9", async () => {
      const alice = await registered("alice", one, transport);
      const { call, theirs } = await talking(alice);
      await one.kill();
      const hungUp = call.hangup(4_000);
      await comeBack(alice, two);
      expect((await hungUp).status).toBe(200);
      await within(2_000, theirs.ended);
    });
  },
);

describe("a caller over tcp that loses its connection", () => {
  beforeAll(startSystem);
  afterAll(stopSystem);

  it("gets the answer to its call over the new one", async () => {
    const bob = await registered("bob", two, "udp");
    const alice = await registered("alice", one, "tcp");
    const dialling = await alice.invite("bob");
    const incoming = await bob.incoming();
    await expect.poll(() => dialling.progress).toContain(180);
    alice.disconnect();
    await comeBack(alice, two);
    incoming.answer();
    const call = await dialling.answered;
    expect((await call.hangup(2_000)).status).toBe(200);
  });
});

describe("a caller over tcp whose connection breaks at a bad moment", () => {
  beforeAll(startSystem);
  afterAll(stopSystem);

  it("gets an answer although nobody has noted that the call follows its registration", async () => {
    const bob = await registered("bob", two, "udp");
    const alice = await registered("alice", one, "tcp");
    const dialling = await alice.invite("bob");
    const incoming = await bob.incoming();
    await expect.poll(() => dialling.progress).toContain(180);
    alice.disconnect();
    await redis.del(followersKey("alice"));
    incoming.answer();
    await expect.poll(() => metricOf(two, "crossband_sip_lost_flows_total", "awaited")).toBeGreaterThan(0);
    await comeBack(alice, two);
    const call = await within(1_000, dialling.answered);
    expect((await call.hangup(2_000)).status).toBe(200);
  });

  it("is answered by the media tier, which a process was asking when it was killed, though it is back at once", async () => {
    const alice = await registered("alice", one, "tcp");
    const release = media.hold();
    const dialling = await alice.invite("fire-1");
    await expect.poll(() => dialling.progress).toContain(100);
    await one.kill();
    await comeBack(alice, two);
    release();
    const call = await within(4_000, dialling.answered);
    expect((await call.hangup(2_000)).status).toBe(200);
  });
});

describe("other ways to lose a client", () => {
  beforeAll(startSystem);
  afterAll(stopSystem);

  it("a device with two flows rings over one, and over the other when that fails (RFC 5626 §5.3)", async () => {
    const first = await registered("alice", one, "tcp", { flow: 1 });
    const second = await registered("alice", two, "tcp", { flow: 2 });
    const bob = await registered("bob", two, "udp");
    second.disconnect();
    const dialling = await bob.invite("alice");
    (await first.incoming()).answer();
    const call = await dialling.answered;
    expect((await call.hangup(2_000)).status).toBe(200);
    expect(second.calls.size).toBe(0);
  });

  it("a phone whose address translator gave it another port gets the hang-up there", async () => {
    const alice = await registered("alice", two, "udp", { behind: "192.168.7.7" });
    const bob = await registered("bob", two, "udp");
    const dialling = await bob.invite("alice");
    const theirs = (await alice.incoming()).answer();
    const call = await dialling.answered;
    await alice.reconnect();
    await alice.register();
    await call.hangup(2_000);
    await within(4_000, theirs.ended);
  });
});

async function within<T>(ms: number, wanted: Promise<T>): Promise<T> {
  const late = new Promise<never>((_resolve, reject) => {
    setTimeout(() => {
      reject(new Error(`not within ${ms} ms`));
    }, ms).unref();
  });
  return Promise.race([wanted, late]);
}

async function metricOf(process: SignalingProcess, name: string, outcome: string): Promise<number> {
  const card = (await listInstances(redis)).find(({ instance }) => instance.startsWith(`${process.name}-`));
  const text = await (await fetch(`http://${card?.listeners["metrics"] ?? ""}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{outcome="${outcome}"\\} (\\d+)`, "m").exec(text)?.[1] ?? 0);
}
