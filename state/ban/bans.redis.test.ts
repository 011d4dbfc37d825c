import { afterAll, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import { fetchBans, liftBan, storeBan } from "./bans.ts";

const redis = connect(process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379", { log: silent });
afterAll(() => {
  redis.disconnect();
});
const host = `192.0.2.${Math.floor(Math.random() * 1e9)}`;
const ban = { host, untilMs: 2_000, offence: "scanner", proven: true };
const mine = async (nowMs: number) => (await fetchBans(redis, nowMs)).filter((one) => one.host === host);

describe("the bans of the cluster", () => {
  it("are seen by every process until they end", async () => {
    await storeBan(redis, ban);
    expect(await mine(1_999)).toEqual([ban]);
    expect(await mine(2_000)).toEqual([]);
    expect(await mine(1_999)).toEqual([]);
  });

  it("are lifted once", async () => {
    await storeBan(redis, ban);
    expect(await liftBan(redis, host)).toBe(true);
    expect(await mine(1_000)).toEqual([]);
    expect(await liftBan(redis, host)).toBe(false);
  });
});
