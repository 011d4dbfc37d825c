import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import { startChangeFeed } from "./change-feed.ts";
import { openChangeNotes, type ChangeNotes } from "./change-notes.ts";
import { fetchPublications, MAX_PUBLICATIONS, publishState } from "./publications.ts";
import { addSubscription, MAX_PER_RESOURCE, removeSubscription, subscriptionsTo } from "./subscriptions.ts";
import { changesKey, subscriptionsKey, watchedKey } from "./subscription.keys.ts";
import { addUserCall, MAX_USER_CALLS, removeUserCall, userCalls } from "./user-calls.ts";

const url = process.env["REDIS_URL"] ?? "";
const redis = connect(url, { log: silent });
const closers: (() => void)[] = [];
let resource = "";
let made = 0;

beforeEach(async () => {
  resource = `conference:group-${++made}-${Date.now().toString(36)}`;
  await redis.del(changesKey);
});
afterEach(() => {
  for (const close of closers.splice(0)) close();
});
afterAll(() => {
  redis.disconnect();
});

const add = (call: string, seconds = 60) =>
  addSubscription(redis, {
    call,
    resource,
    subscriber: `user-${resource}`,
    expiresAtMs: Date.now() + seconds * 1_000,
  });
function notes(): ChangeNotes {
  const opened = openChangeNotes(redis, silent);
  closers.push(() => {
    opened.close();
  });
  return opened;
}
function feed(instance: string, changed: (resource: string) => Promise<void>): () => void {
  const reader = connect(url, { log: silent, blocking: true });
  const close = startChangeFeed({ redis, reader, instance, log: silent, busy: () => true, changed });
  closers.push(close);
  return close;
}

describe("the index of subscriptions", () => {
  it("names those of a resource until they end or are struck", async () => {
    await add("c1");
    await add("c2");
    expect(await subscriptionsTo(redis, resource)).toEqual(["c1", "c2"]);
    await removeSubscription(redis, { call: "c1", resource, subscriber: `user-${resource}` });
    expect(await subscriptionsTo(redis, resource)).toEqual(["c2"]);
  });

  it("forgets what ended, and goes with the last", async () => {
    await add("old", -1);
    await add("new", 30);
    expect(await subscriptionsTo(redis, resource)).toEqual(["new"]);
    expect(await redis.zcard(subscriptionsKey(resource))).toBe(1);
    expect(await redis.pttl(subscriptionsKey(resource))).toBeLessThanOrEqual(30_000);
  });

  it("takes no more than a resource may have, but what it has may be moved", async () => {
    const rows = Array.from({ length: MAX_PER_RESOURCE }, (_, i) => [Date.now() + 60_000, `x${i}`]).flat();
    await redis.zadd(subscriptionsKey(resource), ...rows);
    expect(await add("one-more")).toBe(false);
    expect(await add("x7")).toBe(true);
  });
});

describe("changes", () => {
  it("are told of resources that are watched, and of no other", async () => {
    const ours = notes();
    ours.note(resource);
    await add("c1");
    await expect.poll(() => ours.watches(resource), { timeout: 3_000 }).toBe(true);
    expect(ours.watches("conference:nobody")).toBe(false);
    const told: string[] = [];
    feed("one", (what) => Promise.resolve(void told.push(what)));
    ours.note("conference:nobody");
    ours.note(resource);
    ours.note(resource);
    await expect.poll(() => told).toEqual([resource]);
    await expect.poll(() => redis.xlen(changesKey)).toBe(0);
  });

  it("each go to one process", async () => {
    await add("c1");
    const ours = notes();
    await expect.poll(() => ours.watches(resource), { timeout: 3_000 }).toBe(true);
    const told: string[] = [];
    const tell = () => Promise.resolve(void told.push("told"));
    feed("one", tell);
    feed("two", tell);
    for (let i = 1; i <= 5; i++) {
      ours.note(resource);
      await expect.poll(() => told.length).toBe(i);
    }
  });

  it("that a process died over are told by another", async () => {
    await add("c1");
    const ours = notes();
    await expect.poll(() => ours.watches(resource), { timeout: 3_000 }).toBe(true);
    let taken = false;
    const die = feed("dying", () => {
      taken = true;
      return new Promise(() => undefined);
    });
    ours.note(resource);
    await expect.poll(() => taken).toBe(true);
    die();
    const told: string[] = [];
    feed("survivor", (what) => Promise.resolve(void told.push(what)));
    await expect.poll(() => told, { timeout: 5_000 }).toEqual([resource]);
  });

  it("that could not be told are tried again", async () => {
    await add("c1");
    const ours = notes();
    await expect.poll(() => ours.watches(resource), { timeout: 3_000 }).toBe(true);
    let tries = 0;
    feed("one", () => (++tries === 1 ? Promise.reject(new Error("busy")) : Promise.resolve()));
    ours.note(resource);
    await expect.poll(() => tries, { timeout: 5_000 }).toBe(2);
    await expect.poll(() => redis.xlen(changesKey)).toBe(0);
  });

  it("leave no watched resource behind when its last subscription has ended", async () => {
    await add("c1", -1);
    await addSubscription(redis, {
      call: "c2",
      resource: `${resource}-other`,
      subscriber: "u",
      expiresAtMs: Date.now() + 60_000,
    });
    expect(await redis.zscore(watchedKey, resource)).toBeNull();
  });
});

describe("the calls of a user", () => {
  it("are the latest ones, until they are struck", async () => {
    for (let i = 0; i <= MAX_USER_CALLS; i++) await addUserCall(redis, resource, `call-${i}`, 1_000 + i);
    const calls = await userCalls(redis, resource);
    expect(calls).toHaveLength(MAX_USER_CALLS);
    expect(calls).not.toContain("call-0");
    await removeUserCall(redis, resource, "call-1");
    expect(await userCalls(redis, resource)).not.toContain("call-1");
  });
});

describe("published states (RFC 3903 §6)", () => {
  const publish = (tag: string, more: { match?: string; seconds?: number; state?: unknown } = {}) =>
    publishState(redis, { user: resource, tag, seconds: 60, ...more });
  const states = async () => (await fetchPublications(redis, resource)).map(({ state }) => state);

  it("are kept, prolonged under a new tag, replaced and removed", async () => {
    expect(await publish("t1", { state: { basic: "open" } })).toBe("published");
    expect(await publish("t2", { match: "t1" })).toBe("published");
    expect(await states()).toEqual([{ basic: "open" }]);
    expect(await publish("t3", { match: "t2", state: { basic: "closed" } })).toBe("published");
    expect(await states()).toEqual([{ basic: "closed" }]);
    expect(await publish("t4", { match: "t3", seconds: 0 })).toBe("published");
    expect(await states()).toEqual([]);
  });

  it("cannot be changed by an older tag", async () => {
    await publish("t1", { state: 1 });
    await publish("t2", { match: "t1" });
    expect(await publish("t3", { match: "t1" })).toBe("unknown");
  });

  it("answer a request that comes twice as they answered the first", async () => {
    await publish("t1", { state: 1 });
    await publish("t2", { match: "t1" });
    expect(await publish("t2", { match: "t1" })).toBe("published");
    expect(await states()).toEqual([1]);
  });

  it("end by themselves, and are so many and no more", async () => {
    for (let i = 0; i < MAX_PUBLICATIONS; i++) await publish(`t${i}`, { state: i });
    expect(await publish("more", { state: 0 })).toBe("full");
    expect((await fetchPublications(redis, resource))[0]?.endsAtMs).toBeGreaterThan(Date.now());
  });
});
