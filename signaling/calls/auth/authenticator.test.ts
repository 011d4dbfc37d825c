import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { User } from "#state/directory/provision.ts";
import type { Binding } from "#state/registration/binding.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import { NO_CONDUCT } from "#signaling/sip-port/conduct.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { createAuthenticator } from "./authenticator.ts";
import { createFailureLimit } from "./failure-limit.ts";
import { makeNonce } from "./nonce.ts";

const own = { domain: "crossband.test", addresses: new Set(["127.0.0.1"]) };
const clock = { now: () => 1_790_000_000_000 };
const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const alice: User = {
  id: "alice",
  agency: "fire",
  name: "Alice",
  priority: 5,
  ha1: { md5: md5("alice:crossband.test:secret"), sha256: "" },
};
const desk: Flow = { transport: "udp", host: "192.0.2.7", port: 5070 };
const page: Flow = { transport: "ws", host: "192.0.2.8", port: 40_000, instance: "s1", connection: "c1" };
const bindingAt = (flow: Flow): Binding => ({
  key: "k",
  uri: "sip:alice@x",
  q: 1_000,
  flow,
  expiresAtMs: 1,
  callId: "c1",
  expiresInS: 1,
});

const authenticator = (bound: Flow[] = [], challengeInvite: "unregistered" | "always" = "unregistered") =>
  createAuthenticator({
    conduct: NO_CONDUCT,
    secret: "s", clock, limit: createFailureLimit(clock), challengeInvite, firstDigest: "SHA-256", md5OnlyAgents: ["baresip v1.0"],
    trunkPassword: (name) => Promise.resolve(name === "carrier" ? "carrier-secret" : undefined),
    user: (id) => Promise.resolve(id === "alice" ? alice : undefined),
    bindings: () => Promise.resolve(bound.map(bindingAt)),
  }); // prettier-ignore

function invite(header?: string, from = "sip:alice@crossband.test", uri = "sip:fire-1@crossband.test") {
  const lines = [`INVITE ${uri} SIP/2.0`, "Via: SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKx", `From: <${from}>;tag=1`, "To: <sip:fire-1@crossband.test>",
    "Call-ID: c", "CSeq: 1 INVITE", "Max-Forwards: 70", "Contact: <sip:alice@192.0.2.7>", ...(header === undefined ? [] : [header]), "Content-Length: 0", "", ""]; // prettier-ignore
  const parsed = parseMessage(lines.join("\r\n"));
  if (!parsed.ok) throw new Error("the test's INVITE is malformed");
  return parsed.message;
}
function credentials(password = "secret", uri = "sip:fire-1@crossband.test", user = "alice"): string {
  const nonce = makeNonce("s", own.domain, clock.now());
  const response = md5(
    `${md5(`${user}:crossband.test:${password}`)}:${nonce}:00000001:c:auth:${md5(`INVITE:${uri}`)}`,
  );
  return `Proxy-Authorization: Digest username="${user}", realm="crossband.test", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"`;
}

describe("who is calling", () => {
  it("takes a caller at its word who registered from this very address", async () => {
    expect(await authenticator([desk]).identify(invite(), desk, own)).toMatchObject({
      outcome: "known",
      user: { id: "alice" },
      by: "registration",
    });
  });

  it.each([
    ["another port", { ...desk, port: 5071 }],
    ["another address", { ...desk, host: "192.0.2.9" }],
    ["another transport", { ...desk, transport: "tcp" as const }],
  ])("asks a caller from %s", async (_title, source) => {
    expect(await authenticator([desk]).identify(invite(), source, own)).toMatchObject({
      outcome: "refused",
      status: 407,
      cause: "no-credentials",
    });
  });

  it("asks a caller on another socket from the same address and port", async () => {
    expect(await authenticator([page]).identify(invite(), { ...page, connection: "c2" }, own)).toMatchObject({
      status: 407,
    });
    expect(await authenticator([page]).identify(invite(), page, own)).toMatchObject({ outcome: "known" });
  });

  it("asks everyone when the site wants that", async () => {
    expect(await authenticator([desk], "always").identify(invite(), desk, own)).toMatchObject({
      status: 407,
    });
  });

  it("asks a browser with MD5 alone, for SIP.js sees one challenge and knows no other", async () => {
    const asked = await authenticator().identify(invite(), page, own);
    expect(
      asked.outcome === "refused" && asked.headers.map(([, value]) => /algorithm=([\w-]+)/.exec(value)?.[1]),
    ).toEqual(["MD5"]);
  });

  it("asks a telephone with both, the site's choice first", async () => {
    const asked = await authenticator().identify(invite(), desk, own);
    expect(
      asked.outcome === "refused" && asked.headers.map(([, value]) => /algorithm=([\w-]+)/.exec(value)?.[1]),
    ).toEqual(["SHA-256", "MD5"]);
  });

  it("asks a telephone with MD5 alone that is known to give up at a second challenge", async () => {
    const asked = await authenticator().identify(
      invite("User-Agent: baresip v1.0.0 (x86_64/linux)"),
      desk,
      own,
    );
    expect(
      asked.outcome === "refused" && asked.headers.map(([, value]) => /algorithm=([\w-]+)/.exec(value)?.[1]),
    ).toEqual(["MD5"]);
  });

  it("is whoever the credentials name, whatever From says", async () => {
    const message = invite(credentials(), "sip:chief@crossband.test");
    expect(await authenticator().identify(message, desk, own)).toMatchObject({
      outcome: "known",
      user: { id: "alice" },
      by: "digest",
    });
  });

  it.each([
    ["the request-URI", "sip:fire-1@crossband.test", "known"],
    ["the domain alone", "sip:crossband.test", "known"],
    ["the address it sends to, as SIPp does", "sip:127.0.0.1:5060", "known"],
    ["somebody else", "sip:command@crossband.test", "refused"],
    ["another place", "sip:fire-1@elsewhere.example", "refused"],
    ["nothing", "x", "refused"],
  ])("%s as the digest's uri", async (_title, uri, outcome) => {
    expect((await authenticator().identify(invite(credentials("secret", uri)), desk, own)).outcome).toBe(
      outcome,
    );
  });

  it("answers an unknown user and a wrong password alike", async () => {
    const shape = async (header: string) => {
      const identity = await authenticator().identify(invite(header), desk, own);
      return identity.outcome === "refused" && [identity.status, identity.headers.map(([name]) => name)];
    };
    expect(await shape(credentials("guess"))).toEqual(
      await shape(credentials("secret", undefined, "mallory")),
    );
  });

  it("makes a guesser wait with 503 and Retry-After", async () => {
    const one = authenticator();
    for (let i = 0; i < 10; i++) await one.identify(invite(credentials("guess")), desk, own);
    expect(await one.identify(invite(credentials()), desk, own)).toMatchObject({
      status: 503,
      cause: "limit",
      headers: [["Retry-After", "60"]],
    });
  });

  it("counts nothing against a caller whose nonce is merely old", async () => {
    const later = { now: () => clock.now() + 400_000 };
    const limit = createFailureLimit(later);
    const one = createAuthenticator({
      conduct: NO_CONDUCT,
      secret: "s",
      clock: later,
      limit,
      challengeInvite: "always",
      firstDigest: "SHA-256",
      md5OnlyAgents: ["baresip v1.0"],
      trunkPassword: () => Promise.resolve(undefined),
      user: () => Promise.resolve(alice),
      bindings: () => Promise.resolve([]),
    });
    const identity = await one.identify(invite(credentials()), desk, own);
    expect(identity).toMatchObject({ cause: "stale", status: 407 });
    expect(identity.outcome === "refused" && identity.headers[0]?.[1]).toContain("stale=true");
    expect(limit.waitSeconds(desk.host, "alice")).toBe(0);
  });
});
