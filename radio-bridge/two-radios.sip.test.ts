import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { startMedia } from "#media/index.ts";
import { putResource } from "#state/directory/directory.ts";
import { radioChannelSchema, talkGroupSchema } from "#state/directory/provision.ts";
import { announceInstance, INSTANCE_RENEW_MS, type InstanceCard } from "#state/instance/instance.ts";
import type { RoleHandle } from "#state/instance/role.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { isSilent, toneOverRestDb } from "#test/peers/audio/measures.ts";
import { RATE, speechSample } from "#test/peers/audio/sources.ts";
import { speechCorrelation } from "#test/peers/audio/speech.ts";
import { UsrpRadio } from "#test/peers/usrp-radio/usrp-radio.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import { freeUdpRange } from "#test/setup/free-ports.ts";
import { startRadioBridge } from "./start-radio-bridge.ts";

/** Radios of two channels in one half-duplex group, through the real media tier. */
let radios: UsrpRadio[];
let redis: RedisConnection;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  const server = await startRedis();
  redis = connect(server.url, { log: silent });
  closing.push(
    () => server.stop(),
    () => {
      redis.disconnect();
    },
  );
  const rtp = await freeUdpRange(40);
  const config = configSchema.parse({ media: { threads: 1, ports: { from: rtp, to: rtp + 39 } } });
  const openBlocking = () => connect(server.url, { log: silent, blocking: true });
  const context = (instance: string) => ({ config, log: silent, instance, secret: "", redis, openBlocking });
  const media = await startMedia(context("media-1"));
  closing.push(() => media.close(), keepAnnouncing(media));
  await putResource(
    redis,
    "talk-group",
    talkGroupSchema.parse({ id: "fire-1", agency: "fire", name: "Fire 1" }),
  );
  radios = await Promise.all(["engine-1", "engine-2"].map(provision));
  const bridge = await startRadioBridge(context("bridge-1"));
  closing.push(() => bridge.close());
  await vi.waitFor(async () => {
    expect(await bridge.metrics()).toContain('crossband_radio_channels{state="idle"} 2');
  }, 10_000);
});
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

async function provision(id: string): Promise<UsrpRadio> {
  const listen = `127.0.0.1:${await freeUdpRange(2)}`;
  const radio = await UsrpRadio.open({ remote: listen });
  closing.push(() => {
    radio.close();
  });
  const remote = `127.0.0.1:${radio.port}`;
  await putResource(
    redis,
    "radio-channel",
    radioChannelSchema.parse({ id, agency: "fire", talkGroup: "fire-1", protocol: "usrp", listen, remote }),
  );
  return radio;
}

function keepAnnouncing(media: RoleHandle): () => void {
  const card = (): InstanceCard => ({
    role: "media",
    instance: "media-1",
    pid: process.pid,
    draining: false,
    ...media.card(),
  });
  const announce = () => void announceInstance(redis, card()).catch(() => undefined);
  announce();
  const timer = setInterval(announce, INSTANCE_RENEW_MS);
  return () => {
    clearInterval(timer);
  };
}

const pair = (): [UsrpRadio, UsrpRadio] => {
  const [one, other] = radios;
  if (!one || !other) throw new Error("radios are not open");
  return [one, other];
};

it("carries speech of one radio to the other and nothing back, keyed for as long as it lasts", async () => {
  const [one, other] = pair();
  const start = Date.now();
  await one.sendSpeech();
  await other.until("unkeyed");
  expect(speechCorrelation(speechSample(), other.heard.since(start))).toBeGreaterThan(0.8);
  expect(one.received.audio).toBe(0);
  expect(other.keyEvents.slice(-2).map(({ keyed }) => keyed)).toEqual([true, false]);
});

it("carries a clean tone the other way", async () => {
  const [one, other] = pair();
  const start = Date.now();
  void other.sendTone(1_000);
  const heard = await one.heard.until((audio) => toneOverRestDb(audio.subarray(-4_000), RATE, 1_000) > 20, {
    what: "1 kHz",
    fromMs: start,
  });
  expect(isSilent(heard.subarray(-160), RATE)).toBe(false);
  other.unkey();
  await one.until("unkeyed");
});

it("keys the other radio within 150 ms of the key", async () => {
  const [one, other] = pair();
  const delays: number[] = [];
  for (let press = 0; press < 3; press++) {
    const start = performance.now();
    other.key();
    await one.until("keyed");
    delays.push(performance.now() - start);
    other.unkey();
    await one.until("unkeyed");
  }
  // The fastest is ours; what the others took longer is the machine's.
  expect(Math.min(...delays)).toBeLessThan(150);
});
