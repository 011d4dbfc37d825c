import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ErrorCode } from "#common/errors.ts";
import { silent } from "#common/log.ts";
import { freePort } from "#test/setup/free-ports.ts";
import { startCluster } from "#test/setup/start-cluster.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import { connect } from "./connection.ts";

const closers: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

describe("connect", () => {
  it("refuses a URL that it cannot use and says which are allowed", () => {
    expect(() => connect("http://127.0.0.1", { log: silent })).toThrow(
      expect.objectContaining({
        code: ErrorCode.ConfigInvalid,
        message: expect.stringContaining("redis+sentinel:") as string,
      }),
    );
    expect(() => connect("nonsense", { log: silent })).toThrow(
      expect.objectContaining({ code: ErrorCode.ConfigInvalid }),
    );
  });

  it.each(["redis:", "redis+cluster:"])(
    "fails a command in time when the server does not answer (%s)",
    async (kind) => {
      const mute = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
      await once(mute, "listening");
      const redis = connect(`${kind}//127.0.0.1:${(mute.address() as AddressInfo).port}`, { log: silent });
      await expect(redis.get("x")).rejects.toThrow();
      redis.disconnect();
      mute.close();
    },
  );

  it("talks to a cluster, following slots", async () => {
    const server = await startCluster();
    closers.push(() => server.stop());
    const cluster = connect(server.url, { log: silent });
    closers.push(() => {
      cluster.disconnect();
    });
    await cluster.set("{1}:a", "one");
    await cluster.set("{2}:b", "two");
    expect(await Promise.all([cluster.get("{1}:a"), cluster.get("{2}:b")])).toEqual(["one", "two"]);
  }, 20_000);

  it("asks sentinels for the master", async () => {
    const master = await startRedis();
    const port = await freePort();
    const dir = mkdtempSync(join(tmpdir(), "crossband-sentinel-"));
    const file = join(dir, "sentinel.conf");
    writeFileSync(
      file,
      `port ${port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 ${new URL(master.url).port} 1\n`,
    );
    const sentinel = spawn("redis-server", [file, "--sentinel"], { stdio: "ignore" });
    closers.push(async () => {
      sentinel.kill("SIGKILL");
      await once(sentinel, "exit");
      await master.stop();
      rmSync(dir, { recursive: true });
    });
    const redis = connect(`redis+sentinel://127.0.0.1:${port}/main`, { log: silent });
    closers.push(() => {
      redis.disconnect();
    });
    await expect.poll(() => redis.set("a", "from sentinel").catch(String), { timeout: 10_000 }).toBe("OK");
    const direct = connect(master.url, { log: silent });
    expect(await direct.get("a")).toBe("from sentinel");
    direct.disconnect();
  }, 20_000);
});
