import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { notePeer } from "#state/trunk/peer-status.ts";
import { claimSlot } from "#state/trunk/slots.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { removeTrunksBut } from "./apply.ts";
import { readTrunks, table } from "./trunks.ts";

let server: RedisServer;
let redis: RedisConnection;

beforeAll(async () => {
  server = await startRedis();
  redis = connect(server.url, { log: silent });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const file = (trunks: string) => parseProvision(`trunks: [${trunks}]`);
const ONE =
  '{ id: one, peers: ["192.0.2.1:5060", "192.0.2.2:5060"], username: u, password: p, maxCalls: 10, maxCallsPerSecond: 2 }';

describe("crossband trunks", () => {
  it("shows health, registration and load of each peer", async () => {
    await applyProvision(redis, file(`${ONE}, { id: two, peers: ["192.0.2.3:5060"], enabled: false }`));
    const now = Date.now();
    await notePeer(redis, "one", "192.0.2.1:5060", "health", { state: "up", sinceMs: now });
    await notePeer(redis, "one", "192.0.2.1:5060", "registration", {
      state: "registered",
      untilMs: now + 300_000,
    });
    await notePeer(redis, "one", "192.0.2.2:5060", "avoid", now + 20_000);
    await notePeer(redis, "one", "192.0.2.2:5060", "registration", {
      state: "failed",
      status: 403,
      nextMs: now + 60_000,
    });
    await claimSlot(redis, "one", "call", {});
    expect(table(await readTrunks(redis, now))).toEqual([
      "TRUNK           PEER                          HEALTH       REGISTERED              CALLS     RATE",
      "one             192.0.2.1:5060                up           300s                    1/10      1/min (max 2/s)",
      "one             192.0.2.2:5060                avoided 20s  no (403), again in 60s  1/10      1/min (max 2/s)",
      "two             192.0.2.3:5060                off          -                       0/-       0/min",
    ]);
  });

  it("loses a trunk that a file no longer names when told to prune", async () => {
    await applyProvision(redis, file(`${ONE}, { id: two, peers: ["192.0.2.3:5060"] }`));
    expect(await removeTrunksBut(redis, file(ONE))).toEqual(["two"]);
    expect((await readTrunks(redis, Date.now())).map(({ trunk }) => trunk)).toEqual(["one", "one"]);
  });
});
