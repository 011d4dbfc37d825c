import { afterAll, beforeAll, expect, it } from "vitest";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { connect } from "#state/redis/connection.ts";
import { startEdge } from "#signaling/edge/index.ts";
import { openUdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { startOnRemoteEdge } from "./start-on-remote-edge.ts";

let server: RedisServer;
const started: RoleHandle[] = [];
const redisClients: { disconnect(): void }[] = [];

beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  for (const role of started.reverse()) await role.close();
  for (const redis of redisClients) redis.disconnect();
  await server.stop();
});

function contextOf(instance: string, settings: object): RoleContext {
  const redis = connect(server.url, { log: silent });
  redisClients.push(redis);
  const openBlocking = () => connect(server.url, { log: silent, blocking: true });
  return {
    config: configSchema.parse(settings),
    log: silent,
    instance,
    secret: "test secret",
    redis,
    openBlocking,
  };
}

it("call control answers REGISTER and OPTIONS through an edge in another process", async () => {
  const edge = await startEdge(contextOf("edge", { sip: { port: 0, tlsPort: 0 }, drachtio: { port: 0 } }));
  started.push(edge);
  const { drachtio = "", udp = "" } = edge.card().listeners;
  started.push(startOnRemoteEdge(contextOf("calls", { sip: { server: `drachtio://${drachtio}` } })));
  const phone = await openUdpPhone();
  const port = Number(udp.split(":")[1]);
  // Answered 480 until call control is attached, and 503 until it has asked for OPTIONS.
  let seq = 0;
  const askForOptions = async (): Promise<number> => {
    phone.send(port, phone.request({ method: "OPTIONS", seq: ++seq, branch: `o${seq}` }));
    return (await phone.next(({ cseq }) => cseq.seq === seq)).status;
  };
  await expect.poll(askForOptions, { timeout: 5_000 }).toBe(200);
  phone.send(port, phone.request({ method: "REGISTER", seq: 1, branch: "r" }));
  const challenge = await phone.next((message) => message.cseq.method === "REGISTER");
  expect(challenge.status).toBe(401);
  expect(challenge.header("WWW-Authenticate")).toContain("Digest");
  phone.close();
});
