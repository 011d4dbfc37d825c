import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { checkNonce, makeNonce } from "./nonce.ts";

/** Algorithms understood (RFC 8760 §2.3). The -sess variants need memory between requests and are not offered. */
export const algorithms = ["SHA-256", "MD5"] as const;
export type Algorithm = (typeof algorithms)[number];

const hashOf = { "SHA-256": "sha256", MD5: "md5" } as const;

/** Hex H(user:realm:password) of one user by algorithm, as the directory stores it. */
export interface PasswordHashes {
  readonly md5: string;
  readonly sha256: string;
}

/** The parameters of an Authorization or Proxy-Authorization header (RFC 7616 §3.4). */
export interface Credentials {
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  readonly response: string;
  readonly algorithm: Algorithm;
  readonly cnonce: string;
  readonly nc: string;
}

export type CredentialsFault = "not-digest" | "malformed" | "algorithm" | "qop";

const MAX_HEADER_LENGTH = 2_048;
const PARAMETER = /\s*([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)/y;

/** Reads a credentials header. What it does not understand is a fault, never a guess. */
export function parseCredentials(header: string): Credentials | CredentialsFault {
  if (!/^\s*digest\s/i.test(header)) return "not-digest";
  if (header.length > MAX_HEADER_LENGTH) return "malformed";
  const parameters = parametersOf(header.replace(/^\s*digest\s+/i, ""));
  if (!parameters || parameters.size === 0) return "malformed";
  const get = (name: string) => parameters.get(name) ?? "";
  const algorithm = algorithms.find((known) => known === (get("algorithm") || "MD5").toUpperCase());
  if (algorithm === undefined) return "algorithm";
  // A client that was sent qop must use it (RFC 3261 §22.4 item 8), which keeps chosen-plaintext attacks out.
  if (get("qop").toLowerCase() !== "auth") return "qop";
  const credentials: Credentials = {
    username: get("username"),
    realm: get("realm"),
    nonce: get("nonce"),
    uri: get("uri"),
    response: get("response").toLowerCase(),
    algorithm,
    cnonce: get("cnonce"),
    nc: get("nc"),
  };
  const complete = credentials.username !== "" && credentials.uri !== "" && credentials.cnonce !== "";
  return complete && /^[0-9a-f]{8}$/i.test(credentials.nc) ? credentials : "malformed";
}

/** The credentials for our realm among several headers (RFC 3261 §22.3), or why there are none. */
export function credentialsFor(
  realm: string,
  headers: readonly string[],
): Credentials | CredentialsFault | undefined {
  const parsed = headers.map(parseCredentials);
  return (
    parsed.find((one) => typeof one === "object" && one.realm === realm) ??
    parsed.find((one) => typeof one === "string")
  );
}

/**
 * The values of WWW-Authenticate or Proxy-Authenticate headers, one a challenge, in the order given: clients should answer
 * the first that they know (RFC 8760 §2.4).
 */
export function challenges(
  realm: string,
  secret: string,
  nowMs: number,
  stale: boolean,
  offered: readonly Algorithm[],
): string[] {
  const nonce = makeNonce(secret, realm, nowMs);
  return offered.map(
    (algorithm) =>
      `Digest realm="${realm}", nonce="${nonce}", algorithm=${algorithm}, qop="auth"${stale ? ", stale=true" : ""}`,
  );
}

export type DigestVerdict = "ok" | "stale" | "wrong";

/**
 * Whether credentials prove the password. Takes the same time and gives the same answer for a user who does not exist
 * (`known` undefined) as for a wrong password.
 */
export function verifyDigest(
  credentials: Credentials,
  method: string,
  known: PasswordHashes | undefined,
  secret: string,
  nowMs: number,
): DigestVerdict {
  const { algorithm, username, realm, nonce, uri, nc, cnonce, response } = credentials;
  const hash = (text: string) => createHash(hashOf[algorithm]).update(text).digest("hex");
  const ha1 = known?.[hashOf[algorithm]] ?? decoy(secret, username);
  // RFC 7616 §3.4.1
  const expected = hash(`${ha1}:${nonce}:${nc}:${cnonce}:auth:${hash(`${method}:${uri}`)}`);
  const matches = equal(expected, response) && known !== undefined;
  const verdict = checkNonce(secret, realm, nonce, nowMs);
  if (!matches || verdict === "forged") return "wrong";
  // The password was right: only the nonce is old, and the client may answer the new one without asking its user.
  return verdict === "stale" ? "stale" : "ok";
}

const decoy = (secret: string, username: string) =>
  createHmac("sha256", secret).update(`decoy\0${username}`).digest("hex");

function equal(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected, "latin1"), Buffer.from(given, "latin1")];
  return a.length === b.length && timingSafeEqual(a, b);
}

function parametersOf(text: string): Map<string, string> | undefined {
  const found = new Map<string, string>();
  PARAMETER.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(text);
    if (!match) return undefined;
    const name = (match[1] ?? "").toLowerCase();
    // A name twice is an attempt to be read in two ways.
    if (found.has(name)) return undefined;
    found.set(name, match[2]?.replace(/\\(.)/g, "$1") ?? match[3] ?? "");
    at = PARAMETER.lastIndex;
  }
  return found;
}
