import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import {
  applyProvision,
  getResource,
  listResources,
  openDirectoryCache,
  parseProvision,
  putResource,
} from "./directory.ts";

const url = process.env["REDIS_URL"] ?? "";
const redis = connect(url, { log: silent });
const agency = `a-${randomUUID()}`;
const user = `u-${randomUUID()}`;

afterAll(() => {
  redis.disconnect();
});

describe("directory", () => {
  it("stores what a provisioning file says, but never a password", async () => {
    await applyProvision(
      redis,
      parseProvision(
        `{agencies: [{id: ${agency}, name: A}], users: [{id: ${user}, agency: ${agency}, name: U, password: hunter2}]}`,
      ),
    );
    const stored = await getResource(redis, "user", user);
    expect(stored).toMatchObject({ id: user, agency, name: "U", priority: 5 });
    expect(JSON.stringify(stored)).not.toContain("hunter2");
    expect((await listResources(redis, "user")).map(({ id }) => id)).toContain(user);
  });

  it("may be applied twice", async () => {
    const file = parseProvision(`agencies: [{id: ${agency}, name: Again}]`);
    await applyProvision(redis, file);
    await applyProvision(redis, file);
    expect(await getResource(redis, "agency", agency)).toEqual({ id: agency, name: "Again" });
  });

  it("lets a cache see a change at once, without waiting for its entry to age", async () => {
    const id = `a-${randomUUID()}`;
    const cache = openDirectoryCache(redis, connect(url, { log: silent, blocking: true }));
    expect(await cache.get("agency", id)).toBeUndefined();
    const putAndGet = async () => {
      await putResource(redis, "agency", { id, name: "New" });
      return cache.get("agency", id);
    };
    await expect.poll(putAndGet).toEqual({ id, name: "New" });
    cache.close();
  });
});
