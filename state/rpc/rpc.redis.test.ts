import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { silent } from "#common/log.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { startCluster } from "#test/setup/start-cluster.ts";
import { inboxOf } from "./rpc.keys.ts";
import { startRpc, type Rpc, type RpcHandler } from "./rpc.ts";

const url = process.env["REDIS_URL"] ?? "";
const opened: { rpc: Rpc; redis: RedisConnection }[] = [];

function join(handler: RpcHandler = () => Promise.resolve(null), at = url) {
  const instance = `test-${randomUUID()}`;
  const redis = connect(at, { log: silent });
  const rpc = startRpc(redis, connect(at, { log: silent, blocking: true }), instance, handler, silent);
  opened.push({ rpc, redis });
  return { instance, rpc, redis };
}

afterEach(async () => {
  for (const { rpc, redis } of opened.splice(0)) {
    await rpc.close();
    redis.disconnect();
  }
});

describe("rpc", () => {
  it("carries a request to one instance and its answer back", async () => {
    const media = join(({ method, path, body }) => Promise.resolve({ method, path, body }));
    const request = { method: "PUT" as const, path: "/legs/a.0", body: { n: 1, text: "é\r\n" } };
    await expect(join().rpc.call(media.instance, request)).resolves.toEqual(request);
  });

  it("tells the caller the code and context of an error that the other side classified", async () => {
    const media = join(() =>
      Promise.reject(new CrossbandError(ErrorCode.PortsExhausted, "no port is free", { from: 1, to: 2 })),
    );
    await expect(
      join().rpc.call(media.instance, { method: "PUT", path: "/", body: null }),
    ).rejects.toMatchObject({
      code: ErrorCode.RpcRefused,
      message: "no port is free",
      context: { code: ErrorCode.PortsExhausted, from: 1, to: 2 },
    });
  });

  it("answers the caller when the handler throws before it promises anything", async () => {
    const media = join(() => {
      throw new CrossbandError(ErrorCode.SdpInvalid, "no SDP");
    });
    await expect(
      join().rpc.call(media.instance, { method: "PUT", path: "/", body: null }, 1_000),
    ).rejects.toMatchObject({ code: ErrorCode.RpcRefused, context: { code: ErrorCode.SdpInvalid } });
  });

  it("gives up on an instance that is gone", async () => {
    await expect(
      join().rpc.call(`gone-${randomUUID()}`, { method: "GET", path: "/", body: null }, 50),
    ).rejects.toMatchObject({ code: ErrorCode.RpcTimeout });
  });

  it("does not run a request whose caller has given up", async () => {
    const seen: string[] = [];
    const instance = `late-${randomUUID()}`;
    const caller = join();
    await expect(
      caller.rpc.call(instance, { method: "GET", path: "/late", body: null }, 20),
    ).rejects.toThrow();
    const redis = connect(url, { log: silent });
    const late = startRpc(
      redis,
      connect(url, { log: silent, blocking: true }),
      instance,
      ({ path }) => {
        seen.push(path);
        return Promise.resolve(null);
      },
      silent,
    );
    opened.push({ rpc: late, redis });
    await caller.rpc.call(instance, { method: "GET", path: "/now", body: null });
    expect(seen).toEqual(["/now"]);
  });

  it("goes on after a message that is not one of its own", async () => {
    const media = join(() => Promise.resolve("fine"));
    await media.redis.xadd(inboxOf(media.instance), "*", "m", "{not json");
    await expect(join().rpc.call(media.instance, { method: "GET", path: "/", body: null })).resolves.toBe(
      "fine",
    );
  });

  it("hears replies without asking Redis for them", async () => {
    const media = join(() => Promise.resolve("fine"));
    const caller = join();
    await caller.rpc.call(media.instance, { method: "GET", path: "/", body: null });
    expect(await caller.redis.exists(inboxOf(caller.instance))).toBe(0);
  });

  it("hears replies over a connection that was made again", async () => {
    const media = join(() => Promise.resolve("fine"));
    const caller = join();
    const request = { method: "GET", path: "/", body: null } as const;
    await caller.rpc.call(media.instance, request);
    const ready = new Promise((resolve) => caller.redis.once("ready", resolve));
    caller.redis.disconnect(true);
    await ready;
    await expect(caller.rpc.call(media.instance, request)).resolves.toBe("fine");
  });

  it("leaves what it tells before what it writes next, for a reader that comes later, and waits for nobody", async () => {
    const teller = join();
    const instance = `later-${randomUUID()}`;
    void teller.rpc.tell(instance, { method: "DELETE", path: "/legs/a.0", body: null });
    await teller.redis.set(`${instance}-next`, "written");
    expect(await teller.redis.xlen(inboxOf(instance))).toBe(1);
    await teller.rpc.close();
    const heard = Promise.withResolvers<string>();
    const redis = connect(url, { log: silent });
    const later = startRpc(
      redis,
      connect(url, { log: silent, blocking: true }),
      instance,
      ({ method, path }) => {
        heard.resolve(`${method} ${path}`);
        return Promise.reject(new Error("nobody hears of this"));
      },
      silent,
    );
    opened.push({ rpc: later, redis });
    await expect(heard.promise).resolves.toBe("DELETE /legs/a.0");
  });

  it("does not leave the inbox of a process that is gone lying there for ever", async () => {
    const media = join(() => Promise.resolve("fine"));
    await join().rpc.call(media.instance, { method: "GET", path: "/", body: null });
    await expect.poll(() => media.redis.ttl(inboxOf(media.instance))).toBeGreaterThan(3_000);
  });

  it("asks, answers and tells in a cluster", async () => {
    const cluster = await startCluster();
    try {
      const told: string[] = [];
      const media = join(({ path }) => Promise.resolve(told.push(path)), cluster.url);
      const caller = join(undefined, cluster.url);
      await expect(
        caller.rpc.call(media.instance, { method: "GET", path: "/asked", body: null }),
      ).resolves.toBe(1);
      await caller.rpc.tell(media.instance, { method: "DELETE", path: "/told", body: null });
      expect(await caller.redis.xlen(inboxOf(media.instance))).toBe(2);
      await expect.poll(() => told).toEqual(["/asked", "/told"]);
      for (const { rpc, redis } of opened.splice(-2)) {
        await rpc.close();
        redis.disconnect();
      }
    } finally {
      await cluster.stop();
    }
  }, 20_000);

  it("rejects what is pending when it closes", async () => {
    const caller = join();
    const pending = caller.rpc.call(`gone-${randomUUID()}`, { method: "GET", path: "/", body: null });
    await caller.rpc.close();
    await expect(pending).rejects.toMatchObject({ code: ErrorCode.RpcTimeout });
  });
});
