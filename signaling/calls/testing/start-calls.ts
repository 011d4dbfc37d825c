import { randomBytes } from "node:crypto";
import { configSchema, type Config } from "#common/config.ts";
import { createLogger, silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import type { CallDetail } from "#signaling/calls/call/effect.ts";
import { openUdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { startEdge } from "#signaling/edge/index.ts";
import { startSignaling } from "#signaling/index.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import { detailsLeft } from "./details-left.ts";
import { startScriptedMedia, type ScriptedMedia } from "./scripted-media.ts";

/** Two agencies, a handful of people, a group that names its members and one that does not. */
export const TEST_PROVISION = `
domain: crossband.test
agencies: [{ id: fire, name: Fire }, { id: ems, name: EMS }]
users:
  - { id: alice, agency: fire, name: Alice Rivera, password: alice-secret, priority: 7 }
  - { id: bob, agency: fire, name: Bob Stone, password: bob-secret }
  - { id: carol, agency: ems, name: Carol Young, password: carol-secret }
talkGroups:
  - { id: fire-1, agency: fire, name: Fire Dispatch 1 }
  - { id: command, agency: fire, name: Command, members: [alice, carol], mode: full-duplex }
trunks: [{ id: carrier, peers: ["127.0.0.1:5999"], inbound: [{ did: "+15551230001", to: fire-1 }] }]
`;

export interface TestCalls {
  /** `host:port` of SIP over UDP and TCP. */
  readonly server: string;
  readonly redis: RedisConnection;
  readonly redisUrl: string;
  readonly media: ScriptedMedia;
  readonly roles: readonly RoleHandle[];
  readonly contexts: readonly RoleContext[];
  /** A phone of one of the people above, not registered yet. */
  phone(
    user: "alice" | "bob" | "carol",
    options?: Partial<Parameters<typeof createPhone>[0]>,
  ): Promise<Phone>;
  /** Every call detail record so far, once there are at least `count`. */
  details(count: number): Promise<CallDetail[]>;
  close(): Promise<void>;
}

/** Starts signaling processes (in this one) on free ports over a Redis of their own, with a media process that is scripted. */
export async function startTestCalls(
  sip: Partial<Config["sip"]> = {},
  host = "127.0.0.1",
  { onRemoteEdge = false } = {},
): Promise<TestCalls> {
  const redisServer = await startRedis();
  const log =
    process.env["CROSSBAND_TEST_LOG"] === undefined ? silent : createLogger("signaling", "test", "debug");
  const redis = connect(redisServer.url, { log });
  const provision = parseProvision(TEST_PROVISION);
  await applyProvision(redis, provision);
  const media = await startScriptedMedia(redisServer.url);
  const parsed = configSchema.parse({
    redisUrl: redisServer.url,
    host,
    sip: { port: 0, tlsPort: 0 },
    drachtio: { port: 0 },
  });
  // Unchecked: a test may want shorter times than an operator.
  const config: Config = { ...parsed, sip: { ...parsed.sip, ...sip } };
  const context: RoleContext = {
    config, log, redis, instance: `signaling-${randomBytes(3).toString("hex")}`, secret: "test-secret",
    openBlocking: () => connect(redisServer.url, { log, blocking: true }),
  }; // prettier-ignore
  const edge = onRemoteEdge
    ? await startEdge({ ...context, instance: `edge-${context.instance}` })
    : undefined;
  if (edge) config.sip.server = `drachtio://${edge.card().listeners["drachtio"] ?? ""}`;
  const role = await startSignaling(context);
  const server = (edge ?? role).card().listeners["udp"] ?? "";
  if (edge) await attached(server);
  const phones: Phone[] = [];
  return {
    server, redis, media, redisUrl: redisServer.url, roles: [role], contexts: [context],
    async phone(user, options = {}) {
      const password = provision.users.find(({ id }) => id === user)?.password ?? "";
      const phone = await createPhone({ server, domain: provision.domain, user, password, ...options });
      phones.push(phone);
      return phone;
    },
    async details(count) {
      const deadline = Date.now() + 5_000;
      for (;;) {
        const found = await detailsLeft(redis);
        if (found.length >= count) return found;
        if (Date.now() > deadline) throw new Error(`${found.length} call detail records, expected ${count}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async close() {
      for (const phone of phones) phone.close();
      await role.close();
      await edge?.close();
      await media.close();
      redis.disconnect();
      await redisServer.stop();
    },
  }; // prettier-ignore
}

/** Resolves when call control answers through a remote edge: 480 until it is attached, 503 until it has asked for OPTIONS. */
async function attached(server: string): Promise<void> {
  const phone = await openUdpPhone();
  for (let seq = 1, status = 0; status !== 200; seq++) {
    phone.send(Number(server.split(":")[1]), phone.request({ method: "OPTIONS", seq, branch: `o${seq}` }));
    ({ status } = await phone.next(({ cseq }) => cseq.seq === seq));
  }
  phone.close();
}
