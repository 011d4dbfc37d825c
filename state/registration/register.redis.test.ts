import { Redis } from "ioredis";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { Contact } from "./binding.ts";
import { fetchBindings, forgetBinding } from "./fetch-bindings.ts";
import { MAX_BINDINGS, register, type Change } from "./register.ts";
import { bindingsKey } from "./registration.keys.ts";

const redis = new Redis(process.env["REDIS_URL"] ?? "redis://127.0.0.1:6399");
let user = "";
let made = 0;

beforeEach(() => {
  user = `user-${++made}-${Date.now().toString(36)}`;
});
afterAll(async () => {
  await redis.quit();
});

const contactOf = (uri: string, q = 1_000): Contact => ({
  uri,
  q,
  flow: { transport: "udp", host: "192.0.2.7", port: 5070 },
});
const bind = (uri: string, seconds = 60, q?: number): Change => ({
  key: uri,
  seconds,
  contact: contactOf(uri, q),
});
const send = (cseq: number, changes: readonly Change[] | "all", callId = "c1") =>
  register(redis, { user, callId, cseq, changes });
const boundUris = async () => (await fetchBindings(redis, user)).map(({ uri }) => uri);

describe("register.lua (RFC 3261 §10.3)", () => {
  it("binds a contact for as long as was granted and tells it", async () => {
    const result = await send(1, [bind("sip:a@192.0.2.7", 60)]);
    expect(result).toMatchObject({
      outcome: "bound",
      bindings: [{ ...contactOf("sip:a@192.0.2.7"), key: "sip:a@192.0.2.7", expiresInS: 60 }],
    });
    expect(await redis.pttl(bindingsKey(user))).toBeGreaterThan(59_000);
  });

  it("binds several contacts, most preferred first", async () => {
    await send(1, [bind("sip:low@x", 60, 100), bind("sip:high@x", 60, 900)]);
    expect(await boundUris()).toEqual(["sip:high@x", "sip:low@x"]);
  });

  it("only reads when no contact is named", async () => {
    await send(1, [bind("sip:a@x")]);
    expect(await send(2, [])).toMatchObject({ outcome: "bound", bindings: [{ uri: "sip:a@x" }] });
  });

  it("removes one contact with expiry 0 and leaves the others", async () => {
    await send(1, [bind("sip:a@x"), bind("sip:b@x")]);
    await send(2, [bind("sip:a@x", 0)]);
    expect(await boundUris()).toEqual(["sip:b@x"]);
  });

  it("removes all contacts with the wildcard", async () => {
    await send(1, [bind("sip:a@x"), bind("sip:b@x")]);
    expect(await send(2, "all", "c2")).toEqual({ outcome: "bound", bindings: [] });
    expect(await redis.exists(bindingsKey(user))).toBe(0);
  });

  it("refuses a REGISTER older than the binding's, and changes nothing of it", async () => {
    await send(5, [bind("sip:a@x")]);
    expect(await send(4, [bind("sip:b@x"), bind("sip:a@x", 0)])).toEqual({ outcome: "out-of-order" });
    expect(await send(4, "all")).toEqual({ outcome: "out-of-order" });
    expect(await boundUris()).toEqual(["sip:a@x"]);
  });

  it("accepts any CSeq from another Call-ID: the client restarted", async () => {
    await send(5, [bind("sip:a@x")]);
    expect(await send(1, [bind("sip:a@x", 0)], "c2")).toEqual({ outcome: "bound", bindings: [] });
  });

  it("answers a retransmission as it answered the first", async () => {
    await send(1, [bind("sip:a@x")]);
    expect(await send(1, [bind("sip:a@x")])).toMatchObject({
      outcome: "bound",
      bindings: [{ uri: "sip:a@x" }],
    });
  });

  it("keeps at most ten contacts: the one that ends first gives way", async () => {
    for (let i = 0; i <= MAX_BINDINGS; i++) await send(i + 1, [bind(`sip:c${i}@x`, 100 + i)]);
    const uris = await boundUris();
    expect(uris).toHaveLength(MAX_BINDINGS);
    expect(uris).not.toContain("sip:c0@x");
    expect(uris).toContain(`sip:c${MAX_BINDINGS}@x`);
  });

  it("forgets an expired contact when next asked, by the server's clock", async () => {
    await send(1, [bind("sip:a@x", 60), bind("sip:b@x", 60)]);
    const field = (await redis.hget(bindingsKey(user), "sip:a@x")) ?? "";
    await redis.hset(bindingsKey(user), "sip:a@x", field.replace(/^\d+/, String(Date.now() - 1)));
    expect(await boundUris()).toEqual(["sip:b@x"]);
    await send(2, []);
    expect(await redis.hlen(bindingsKey(user))).toBe(1);
  });

  it("keeps spaces, quotes and non-ASCII of a contact as they came", async () => {
    const contact: Contact = {
      ...contactOf("sip:a@x"),
      userAgent: 'Phone "\u00e9" 1 2',
      instanceId: "<urn:uuid:1>",
      regId: 1,
    };
    await send(1, [{ key: "i:<urn:uuid:1>|1", seconds: 60, contact }]);
    expect(await fetchBindings(redis, user)).toMatchObject([contact]);
  });

  it("forgets a binding that is gone, but not one registered since", async () => {
    await send(1, [bind("sip:a@x")]);
    const [old] = await fetchBindings(redis, user);
    if (!old) throw new Error("not bound");
    await send(2, [bind("sip:a@x", 90)]);
    await forgetBinding(redis, user, old);
    expect(await boundUris()).toEqual(["sip:a@x"]);
    const [current] = await fetchBindings(redis, user);
    await forgetBinding(redis, user, current ?? old);
    expect(await boundUris()).toEqual([]);
  });
});
