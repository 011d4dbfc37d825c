import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { startSentinelSet, type SentinelSet } from "#test/setup/start-sentinel-set.ts";
import { openDirectoryCache, putResource } from "../directory/directory.ts";
import { startRpc } from "../rpc/rpc.ts";
import { connect, type RedisConnection } from "./connection.ts";

/** The promise: a command works again this long after the switch, in ms. */
const BACK_MS = 5_000;
let set: SentinelSet;
const open: RedisConnection[] = [];
const opened = (blocking = false): RedisConnection => {
  const one = connect(set.url, { log: silent, blocking });
  open.push(one);
  return one;
};

beforeAll(async () => {
  set = await startSentinelSet();
}, 30_000);
afterAll(async () => {
  for (const one of open) one.disconnect();
  await set.stop();
});

describe("connections to a master that sentinels replace", () => {
  it("go on with the replica: commands, inboxes and those who hear of changes, each by itself", async () => {
    const [commands, asking] = [opened(), opened()];
    const askedTimes: string[] = [];
    const answering = startRpc(
      commands,
      opened(true),
      "answering",
      ({ path }) => Promise.resolve(askedTimes.push(path)),
      silent,
    );
    const rpc = startRpc(asking, opened(true), "asking", () => Promise.resolve(null), silent);
    const cache = openDirectoryCache(commands, opened(true));
    let heard = 0;
    cache.onChange("agency", () => heard++);
    await rpc.call("answering", { method: "PUT", path: "/before", body: null });
    await commands.wait(1, 1_000);
    await set.master.kill();
    await expect(commands.get("kept")).rejects.toThrow();
    await set.switched();
    const heardBefore = heard;
    const ask = () => rpc.call("answering", { method: "PUT", path: "/after", body: null }, 500);
    await expect
      .poll(() => ask().catch((error: unknown) => String(error)), { timeout: BACK_MS })
      .toBeTypeOf("number");
    await expect
      .poll(
        async () => {
          await putResource(commands, "agency", { id: "late", name: "Late" });
          return heard;
        },
        { timeout: BACK_MS },
      )
      .toBeGreaterThan(heardBefore + 1);
    expect(askedTimes.filter((path) => path === "/before")).toHaveLength(1);
    await Promise.all([rpc.close(), answering.close()]);
    cache.close();
  }, 30_000);

  it("leave a master that was replaced while it stood still, rather than wait for it", async () => {
    // A master that hangs is one whose machine is gone without a word.
    const hanging = await startSentinelSet();
    try {
      const commands = connect(hanging.url, { log: silent });
      const subscriber = connect(hanging.url, { log: silent, blocking: true });
      open.push(commands, subscriber);
      const heard: string[] = [];
      subscriber.on("message", (_channel: string, text: string) => heard.push(text));
      await subscriber.subscribe("news");
      await commands.set("kept", "yes");
      await commands.wait(1, 1_000);
      hanging.master.pause();
      await hanging.switched();
      await expect
        .poll(
          async () => {
            await commands.publish("news", "again").catch(() => 0);
            return heard.length;
          },
          { timeout: BACK_MS },
        )
        .toBeGreaterThan(0);
    } finally {
      await hanging.stop();
    }
  }, 40_000);
});
