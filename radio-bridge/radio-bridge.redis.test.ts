import { randomBytes } from "node:crypto";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { putResource } from "#state/directory/directory.ts";
import { radioChannelSchema, talkGroupSchema, type RadioChannel } from "#state/directory/provision.ts";
import type { RoleHandle } from "#state/instance/role.ts";
import { claimChannel } from "#state/radio-channel/claim-channel.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { rmsDb, toneOverRestDb } from "#test/peers/audio/measures.ts";
import { RATE, toneSource } from "#test/peers/audio/sources.ts";
import { freeUdpRange } from "#test/setup/free-ports.ts";
import { UsrpRadio } from "#test/peers/usrp-radio/usrp-radio.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import { startRadioBridge } from "./start-radio-bridge.ts";
import { startTestingMedia } from "./testing/testing-media.ts";

type Media = Awaited<ReturnType<typeof startTestingMedia>>;

let url: string;
let redis: RedisConnection;
beforeAll(async () => {
  // A Redis of their own: bridges serve every channel that they find.
  const server = await startRedis();
  url = server.url;
  redis = connect(url, { log: silent });
  return async () => {
    redis.disconnect();
    await server.stop();
  };
});

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
  await redis.flushdb();
});

async function openMedia(): Promise<Media> {
  const media = await startTestingMedia(url);
  opened.push(() => media.close());
  return media;
}

async function openBridge(name = "bridge"): Promise<RoleHandle & { instance: string }> {
  const instance = `${name}-${randomBytes(4).toString("hex")}`;
  const handle = await startRadioBridge({
    config: configSchema.parse({}),
    log: silent,
    instance,
    secret: "",
    redis,
    openBlocking: () => connect(url, { log: silent, blocking: true }),
  });
  opened.push(() => handle.close());
  return Object.assign(handle, { instance });
}

async function provision(): Promise<{ channel: RadioChannel; radio: UsrpRadio }> {
  const id = `engine-${randomBytes(4).toString("hex")}`;
  const listen = `127.0.0.1:${await freeUdpRange(2)}`;
  const radio = await UsrpRadio.open({ remote: listen });
  opened.push(() => {
    radio.close();
    return Promise.resolve();
  });
  const channel = radioChannelSchema.parse({
    id,
    agency: "fire",
    talkGroup: "fire-1",
    protocol: "usrp",
    listen,
    remote: `127.0.0.1:${radio.port}`,
    priority: 7,
  });
  await putResource(
    redis,
    "talk-group",
    talkGroupSchema.parse({ id: "fire-1", agency: "fire", name: "Fire 1" }),
  );
  await putResource(redis, "radio-channel", channel);
  return { channel, radio };
}

async function joined(media: Media, { id }: RadioChannel): Promise<void> {
  await expect.poll(() => [...media.legs.keys()]).toContain(`radio.${id}`);
  await expect.poll(() => media.packets.length).toBeGreaterThan(0);
}

describe("a channel in its group", () => {
  it("joins with its own name, priority and the group's rules", async () => {
    const [media, { channel }] = [await openMedia(), await provision()];
    await openBridge();
    await joined(media, channel);
    expect(media.legs.get(`radio.${channel.id}`)).toMatchObject({
      group: { id: "fire-1", mode: "half-duplex", maxTalkMs: 60_000 },
      member: { id: channel.id, name: channel.id, kind: "radio", priority: 7 },
      description: { type: "rtp", host: "127.0.0.1" },
    });
  });

  it("gives the group what the radio hears, with its squelch, from the first frame on", async () => {
    const [media, { channel, radio }] = [await openMedia(), await provision()];
    await openBridge();
    await joined(media, channel);
    media.packets.length = 0;
    await radio.sendTone(1_000, { ms: 400 });
    await expect.poll(() => media.packets.filter(({ flags }) => flags === 0).length).toBeGreaterThan(0);
    const voice = media.packets.filter(({ samples }) => samples.length > 0);
    expect(voice).toHaveLength(20);
    expect(voice.map(({ flags, marker }) => [flags, marker])).toEqual(voice.map((_, i) => [0x1000, i === 0]));
    expect(voice.map(({ timestamp }) => timestamp - (voice[0]?.timestamp ?? 0))).toEqual(
      voice.map((_, i) => i * 160),
    );
    expect(
      toneOverRestDb(Int16Array.from(voice.flatMap(({ samples }) => [...samples])), RATE, 1_000),
    ).toBeGreaterThan(40);
  });

  it("keys the radio while the group talks, and unkeys it", async () => {
    const [media, { channel, radio }] = [await openMedia(), await provision()];
    await openBridge();
    await joined(media, channel);
    const source = toneSource(1_000);
    const stop = media.talk(() => source.next(160));
    const heard = await radio.heard.atLeast(500);
    stop();
    await radio.until("unkeyed");
    expect(rmsDb(heard.subarray(1_600))).toBeGreaterThan(-16);
  });

  it("unkeys the radio when the group's audio is lost while it talks", async () => {
    const [media, { channel, radio }] = [await openMedia(), await provision()];
    await openBridge();
    await joined(media, channel);
    media.talk(() => new Int16Array(160));
    await radio.until("keyed");
    await media.close();
    await radio.until("unkeyed", 4_000);
  });

  it("drops what is not its media's, and says so in its metrics", async () => {
    const [media, { channel, radio }] = [await openMedia(), await provision()];
    const bridge = await openBridge();
    await joined(media, channel);
    radio.sendRaw(Buffer.from("rubbish"));
    await expect
      .poll(() => bridge.metrics())
      .toContain(`crossband_radio_dropped_total{channel="${channel.id}",reason="malformed-short"} 1`);
    expect(await bridge.metrics()).toContain('crossband_radio_channels{state="idle"} 1');
  });
});

describe("when media changes", () => {
  it("joins again where the group lives after its media instance died", async () => {
    const [first, { channel, radio }] = [await openMedia(), await provision()];
    await openBridge();
    await joined(first, channel);
    const second = await openMedia();
    await first.close();
    await joined(second, channel);
    const revisions = [first, second].map((media) => media.legs.get(`radio.${channel.id}`)?.revision ?? 0);
    expect(revisions[1]).toBeGreaterThan(revisions[0] ?? 0);
    void radio.sendTone(1_000, { ms: 100 });
    await expect.poll(() => second.packets.some(({ flags }) => flags === 0x1000)).toBe(true);
  });

  it("waits for media that is not there yet", async () => {
    const { channel } = await provision();
    await openBridge();
    const media = await openMedia();
    await joined(media, channel);
  });
});

describe("leases", () => {
  it("lets one bridge serve a channel, and another within 2 s of its death", async () => {
    const [media, { channel }] = [await openMedia(), await provision()];
    // The dead bridge: it claimed the channel and is never heard from again.
    await claimChannel(redis, channel.id, "dead-bridge");
    const died = Date.now();
    await openBridge();
    await joined(media, channel);
    expect(Date.now() - died).toBeLessThan(2_500);
  });

  it("hands its channels over at once when it drains, the radio unkeyed meanwhile", async () => {
    const [media, { channel, radio }] = [await openMedia(), await provision()];
    const first = await openBridge("first");
    await joined(media, channel);
    await openBridge("second");
    const stop = media.talk(() => new Int16Array(160));
    await radio.until("keyed");
    await first.drain();
    await expect.poll(() => radio.keyEvents.map(({ keyed }) => keyed).slice(0, 2)).toEqual([true, false]);
    await radio.until("keyed");
    stop();
  });

  it("gives up a channel that another bridge has taken while Redis was out of its reach", async () => {
    const [media, { channel, radio }] = [await openMedia(), await provision()];
    const bridge = await openBridge();
    await joined(media, channel);
    await redis.set((await redis.keys("*radio-lease*"))[0] ?? "", "another-bridge", "PX", 10_000);
    await expect.poll(() => bridge.card().load).toBe(0);
    radio.key();
    expect(media.packets.every(({ flags }) => flags === 0)).toBe(true);
  });
});

describe("directory changes", () => {
  it("serves a channel that is added, moves one that changes group, and closes one whose address changes", async () => {
    const media = await openMedia();
    await openBridge();
    const { channel } = await provision();
    await joined(media, channel);
    await putResource(
      redis,
      "talk-group",
      talkGroupSchema.parse({ id: "fire-2", agency: "fire", name: "Fire 2" }),
    );
    await putResource(redis, "radio-channel", { ...channel, talkGroup: "fire-2" });
    await expect.poll(() => media.legs.get(`radio.${channel.id}`)?.group.id).toBe("fire-2");
    expect(media.deleted).toEqual([`radio.${channel.id}`]);
  });

  it("leaves out a channel whose address is taken, and serves the others", async () => {
    const [media, { channel }] = [await openMedia(), await provision()];
    const { channel: other } = await provision();
    await putResource(redis, "radio-channel", { ...other, listen: channel.listen });
    const bridge = await openBridge();
    await expect.poll(() => media.legs.size).toBe(1);
    expect(bridge.card().load).toBeCloseTo(1 / 200);
  });
});
