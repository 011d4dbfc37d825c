import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { challenges, credentialsFor, parseCredentials, verifyDigest, type Credentials } from "./digest.ts";
import { checkNonce, makeNonce, NONCE_LIFE_MS } from "./nonce.ts";

const secret = "0123456789abcdef";
const realm = "crossband.local";
const now = 1_790_000_000_000;
const hash = (algorithm: string, text: string) => createHash(algorithm).update(text).digest("hex");
const hashes = (user: string, password: string) => ({
  md5: hash("md5", `${user}:${realm}:${password}`),
  sha256: hash("sha256", `${user}:${realm}:${password}`),
});

/** What a correct client sends back. */
function answer(
  algorithm: "MD5" | "SHA-256",
  password: string,
  nonce = makeNonce(secret, realm, now),
  user = "alice",
): string {
  const name = algorithm === "MD5" ? "md5" : "sha256";
  const ha2 = hash(name, "REGISTER:sip:crossband.local");
  const response = hash(name, `${hashes(user, password)[name]}:${nonce}:00000001:abc:auth:${ha2}`);
  return `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="sip:crossband.local", response="${response}", algorithm=${algorithm}, qop=auth, nc=00000001, cnonce="abc"`;
}

const parsed = (header: string): Credentials => {
  const credentials = parseCredentials(header);
  if (typeof credentials === "string") throw new Error(credentials);
  return credentials;
};

describe("digest authentication (RFC 8760, RFC 7616)", () => {
  const known = hashes("alice", "secret");
  const verify = (header: string, atMs = now) =>
    verifyDigest(parsed(header), "REGISTER", known, secret, atMs);

  it("challenges with each algorithm in the order given, with qop=auth", () => {
    const [first, second, ...rest] = challenges(realm, secret, now, false, ["SHA-256", "MD5"]);
    expect(first).toMatch(/^Digest realm="crossband.local", nonce="[^"]+", algorithm=SHA-256, qop="auth"$/);
    expect(second).toContain("algorithm=MD5");
    expect(rest).toEqual([]);
  });

  it.each(["MD5", "SHA-256"] as const)("admits the right password by %s", (algorithm) => {
    expect(verify(answer(algorithm, "secret"))).toBe("ok");
  });

  it.each(["MD5", "SHA-256"] as const)("refuses a wrong password by %s", (algorithm) => {
    expect(verify(answer(algorithm, "guess"))).toBe("wrong");
  });

  it("refuses the right response for another method", () => {
    expect(verifyDigest(parsed(answer("MD5", "secret")), "INVITE", known, secret, now)).toBe("wrong");
  });

  it("refuses a user who does not exist exactly as a wrong password", () => {
    expect(verifyDigest(parsed(answer("MD5", "secret")), "REGISTER", undefined, secret, now)).toBe("wrong");
  });

  it("says stale when the password is right and the nonce too old", () => {
    expect(verify(answer("MD5", "secret"), now + NONCE_LIFE_MS + 1)).toBe("stale");
  });

  it("does not say stale to a wrong password", () => {
    expect(verify(answer("MD5", "guess"), now + NONCE_LIFE_MS + 1)).toBe("wrong");
  });

  it.each([
    ["another cluster's secret", makeNonce("other", realm, now)],
    ["another realm", makeNonce(secret, "elsewhere", now)],
    ["the future", makeNonce(secret, realm, now + 60_000)],
    ["nowhere", "abc"],
    ["a changed time", makeNonce(secret, realm, now).replace(/^./, "1")],
  ])("refuses a nonce from %s", (_title, nonce) => {
    expect(checkNonce(secret, realm, nonce, now)).toBe("forged");
    expect(verify(answer("MD5", "secret", nonce))).toBe("wrong");
  });
});

describe("credentials header", () => {
  const good = answer("MD5", "secret");

  it("takes MD5 when no algorithm is named (RFC 7616 §3.3)", () => {
    expect(parsed(good.replace("algorithm=MD5, ", "")).algorithm).toBe("MD5");
  });

  it("reads quoted pairs and odd spacing", () => {
    expect(
      parsed(good.replace('"alice"', String.raw`"al\"ice"`).replace("Digest ", "digest   ")).username,
    ).toBe('al"ice');
  });

  it("picks the credentials of our realm among several (RFC 3261 §22.3)", () => {
    const other = good.replace(realm, "elsewhere");
    expect(credentialsFor(realm, [other, good])).toMatchObject({ realm });
    expect(credentialsFor(realm, [other])).toBeUndefined();
  });

  it.each([
    ["Basic YWxpY2U6c2VjcmV0", "not-digest"],
    ["Digest ", "malformed"],
    ['Digest username="alice', "malformed"],
    [good.replace("qop=auth, ", ""), "qop"],
    [good.replace("qop=auth", "qop=auth-int"), "qop"],
    [good.replace("algorithm=MD5", "algorithm=MD5-sess"), "algorithm"],
    [good.replace("nc=00000001", "nc=1"), "malformed"],
    [`${good}, username="bob"`, "malformed"],
  ])("refuses %s as %s", (header, fault) => {
    expect(parseCredentials(header)).toBe(fault);
  });

  it("refuses a header longer than any client needs", () => {
    expect(parseCredentials(`${good}, x="${"a".repeat(3_000)}"`)).toBe("malformed");
  });
});
