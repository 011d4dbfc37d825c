import { randomBytes } from "node:crypto";
import { loadConfig } from "#common/config.ts";
import { silent } from "#common/log.ts";
import type {
  FloorAnswer,
  FloorRequest,
  GroupEvent,
  GroupPolicy,
  GroupSnapshot,
  LegAnswer,
  LegRequest,
  Member,
} from "#common/media-control.ts";
import { startMedia } from "#media/index.ts";
import type { RoleHandle } from "#state/instance/role.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { startRpc, type Rpc } from "#state/rpc/rpc.ts";
import { groupChannel, legEndedChannel } from "#state/talk-group/talk-group.keys.ts";
import { RtpStream } from "#test/peers/sip-phone/rtp-stream.ts";
import {
  EVENT_PAYLOAD_TYPE,
  formatSdp,
  parseSdp,
  type Codec,
  type Direction,
} from "#test/peers/sip-phone/sdp.ts";
import { freeUdpRange } from "#test/setup/free-ports.ts";
import { startRedis } from "#test/setup/start-redis.ts";

export { fullDuplex, halfDuplex } from "./policies.ts";

const HOST = "127.0.0.1";

export interface MediaFixture {
  readonly role: RoleHandle;
  readonly redis: RedisConnection;
  put(leg: string, request: LegRequest): Promise<LegAnswer>;
  remove(leg: string): Promise<unknown>;
  digit(leg: string, digit: string): Promise<unknown>;
  floor(request: FloorRequest): Promise<FloorAnswer>;
  snapshot(group: string): Promise<GroupSnapshot>;
  /** Everything published on a group's channel and about ended legs, from now on. */
  events(group: string): Promise<GroupEvent[]>;
  close(): Promise<void>;
}

/** A media role in this process, with a redis-server of its own; requests go the way that signaling's do. */
process.env["CROSSBAND_LOG"] ??= "silent";

export async function startMediaFixture(
  environment: Readonly<Record<string, string>> = {},
): Promise<MediaFixture> {
  const server = await startRedis();
  const from = await freeUdpRange(400);
  const config = loadConfig(
    { CROSSBAND_RTP_PORTS: `${from}-${from + 399}`, ...environment },
    "/nonexistent/crossband.yaml",
  );
  const redis = connect(server.url, { log: silent });
  const openBlocking = () => connect(server.url, { log: silent, blocking: true });
  const instance = `media-${randomBytes(3).toString("hex")}`;
  const role = await startMedia({ config, log: silent, instance, secret: "test", redis, openBlocking });
  const rpc: Rpc = startRpc(redis, openBlocking(), `test-${instance}`, () => Promise.resolve(null), silent);
  const subscribers: RedisConnection[] = [];
  return {
    role,
    redis,
    put: async (leg, body) =>
      (await rpc.call(instance, { method: "PUT", path: `/legs/${leg}`, body })) as LegAnswer,
    remove: (leg) => rpc.call(instance, { method: "DELETE", path: `/legs/${leg}`, body: null }),
    digit: (leg, digit) =>
      rpc.call(instance, { method: "POST", path: `/legs/${leg}/digits`, body: { digit } }),
    floor: async (body) =>
      (await rpc.call(instance, { method: "POST", path: "/floor", body })) as FloorAnswer,
    snapshot: async (group) =>
      (await rpc.call(instance, { method: "GET", path: `/groups/${group}`, body: null })) as GroupSnapshot,
    async events(group) {
      const seen: GroupEvent[] = [];
      const subscriber = openBlocking();
      subscribers.push(subscriber);
      subscriber.on("message", (_channel: string, text: string) => seen.push(JSON.parse(text) as GroupEvent));
      await subscriber.subscribe(groupChannel(group), legEndedChannel);
      return seen;
    },
    async close() {
      for (const subscriber of subscribers) subscriber.disconnect();
      await role.close();
      await rpc.close();
      redis.disconnect();
      await server.stop();
    },
  };
}

export interface TestPhone {
  readonly leg: string;
  readonly rtp: RtpStream;
  readonly member: Member;
  /** A further offer of the same phone. */
  offer(direction: Direction): Promise<string>;
  leave(): Promise<void>;
}

/** A telephone in a group: its leg as signaling would open it, its RTP as a phone would send it. */
export async function joinPhone(
  media: MediaFixture,
  group: GroupPolicy,
  id: string,
  { codecs = ["PCMU", "PCMA"], priority = 5 }: { codecs?: readonly Codec[]; priority?: number } = {},
): Promise<TestPhone> {
  const rtp = await RtpStream.open(HOST);
  const leg = `${group.id}.${id}`;
  const member: Member = { id, name: id, kind: "phone", priority };
  let revision = 0;
  const offer = async (direction: Direction): Promise<string> => {
    revision++;
    const sdp = formatSdp({
      host: HOST,
      port: rtp.port,
      codecs,
      events: EVENT_PAYLOAD_TYPE,
      direction,
      version: revision,
      session: 1,
    });
    const { description } = await media.put(leg, {
      revision,
      group,
      member,
      description: { type: "offer", sdp },
    });
    if (description?.type !== "answer") throw new Error("no answer to the offer");
    return description.sdp;
  };
  const answer = parseSdp(await offer("sendrecv"));
  rtp.direct({
    host: answer.host,
    port: answer.port,
    codec: answer.codecs[0] ?? "PCMU",
    events: answer.events,
  });
  return {
    leg,
    rtp,
    member,
    offer,
    async leave() {
      rtp.close();
      await media.remove(leg);
    },
  };
}
