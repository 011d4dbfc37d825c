import { describe, expect, it } from "vitest";
import type { Headers } from "#signaling/sip-port/sip-port.ts";
import { authorizationFor, bestChallenge, mayAnswer } from "./digest-client.ts";

const digest = (more = "", realm = "carrier.example") =>
  `Digest realm="${realm}", nonce="n1", qop="auth"${more}`;
const challengeIn = (header: string, proxy = false) => {
  const challenge = bestChallenge([header], proxy);
  if (!challenge) throw new Error("no challenge");
  return challenge;
};
/** Credentials as a request carries them after this challenge. */
const sent = (header: string, proxy = false): Headers => [
  authorizationFor(challengeIn(header, proxy), {
    account: { username: "acct", password: "secret" },
    method: "BYE",
    uri: "sip:a",
    count: 1,
    seed: "s",
  }),
];

describe("whether a challenge is answered (RFC 3261 §22.2)", () => {
  // prettier-ignore
  it.each<[string, boolean, string, boolean, Headers, number]>([
    ["a request without credentials", true, digest(), false, [], 0],
    ["credentials that were refused", false, digest(), false, sent(digest()), 1],
    ["credentials whose nonce was old", true, digest(", stale=true"), false, sent(digest()), 1],
    ["another realm than theirs", true, digest("", "other"), false, sent(digest()), 1],
    ["the peer, once the proxy before it has them", true, digest(), false, sent(digest(), true), 1],
    ["the proxy that has refused them", false, digest(), true, sent(digest(), true), 1],
    ["a nonce that is old for ever", false, digest(", stale=true"), false, sent(digest()), 4],
  ])("%s: %s", (_title, answered, header, proxy, credentials, repeated) => {
    expect(mayAnswer(challengeIn(header, proxy), { credentials, repeated })).toBe(answered);
  });

  it("tells a realm with quotes from one that begins alike", () => {
    const quoted = digest("", 'say \\"hi\\"');
    expect(mayAnswer(challengeIn(quoted), { credentials: sent(quoted), repeated: 1 })).toBe(false);
    expect(mayAnswer(challengeIn(digest("", "say")), { credentials: sent(quoted), repeated: 1 })).toBe(true);
  });
});

describe("the best challenge (RFC 8760 §2.4)", () => {
  it("is SHA-256 wherever it stands, and none that we do not know", () => {
    const sha = digest(", algorithm=SHA-256");
    expect(bestChallenge([digest(), sha], false)?.algorithm).toBe("SHA-256");
    expect(bestChallenge([digest(", algorithm=SHA-512-256"), "Basic realm=x"], false)).toBeUndefined();
    expect(bestChallenge(['Digest realm="r", nonce="n", qop="auth-int"'], false)).toBeUndefined();
  });
});
