import { createHash, createHmac } from "node:crypto";
import type { Challenged } from "#signaling/sip-port/sip-port.ts";
import { algorithms, type Algorithm } from "./digest.ts";

/** A challenge that we can answer (RFC 7616 §3.3). */
export interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: Algorithm;
  /** Whether `qop=auth` is offered; without it the older form of RFC 2069 is used. */
  readonly qop: boolean;
  readonly opaque?: string;
  /** The credentials were right and only the nonce was old. */
  readonly stale: boolean;
  /** 407 rather than 401. */
  readonly proxy: boolean;
}

/** One request is sent again this often at most: for a proxy, for the peer behind it, and for nonces that were old. */
const MAX_REPEATED = 4;

/**
 * Whether credentials of ours would make a difference (RFC 3261 §22.2): the request had none for this realm, or only their
 * nonce was old.
 *
 * @param challenged the credentials that the request carried, and how often it was sent again before
 */
export function mayAnswer(
  { realm, proxy, stale }: Challenge,
  { credentials, repeated }: Pick<Challenged, "credentials" | "repeated">,
): boolean {
  if (repeated >= MAX_REPEATED) return false;
  const header = headerOf(proxy);
  return (
    stale ||
    !credentials.some(([name, value]) => name === header && value.includes(`, realm=${quoted(realm)},`))
  );
}

export interface Account {
  readonly username: string;
  readonly password: string;
}

const MAX_LENGTH = 2_048;
const MAX_CHALLENGES = 8;
const PARAMETER = /([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g;

/** The best of the challenges in WWW-Authenticate or Proxy-Authenticate headers; undefined when none can be answered. */
export function bestChallenge(headers: readonly string[], proxy: boolean): Challenge | undefined {
  const found = headers.slice(0, MAX_CHALLENGES).flatMap((header) => readChallenge(header, proxy) ?? []);
  return algorithms.map((algorithm) => found.find((one) => one.algorithm === algorithm)).find(Boolean);
}

function readChallenge(header: string, proxy: boolean): Challenge | undefined {
  if (!/^\s*digest\s/i.test(header) || header.length > MAX_LENGTH) return undefined;
  const parameters = new Map<string, string>();
  for (const [, name = "", quoted, plain] of header.replace(/^\s*digest\s+/i, "").matchAll(PARAMETER))
    parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "");
  const [realm, nonce, qop] = [parameters.get("realm"), parameters.get("nonce"), parameters.get("qop")];
  const algorithm = algorithms.find(
    (known) => known === (parameters.get("algorithm") ?? "MD5").toUpperCase(),
  );
  if (realm === undefined || nonce === undefined || algorithm === undefined) return undefined;
  const offered = qop?.split(",").map((one) => one.trim().toLowerCase());
  if (offered && !offered.includes("auth")) return undefined;
  const opaque = parameters.get("opaque");
  return {
    realm, nonce, algorithm, qop: offered !== undefined, stale: parameters.get("stale")?.toLowerCase() === "true", proxy,
    ...(opaque !== undefined && { opaque }),
  }; // prettier-ignore
}

export interface Answering {
  readonly account: Account;
  readonly method: string;
  readonly uri: string;
  /** How many requests this nonce has been used for, this one included. */
  readonly count: number;
  /** What the client nonce is made of: the same request again must carry the same bytes. */
  readonly seed: string;
}

/** The header that answers a challenge (RFC 7616 §3.4). */
export function authorizationFor(
  { realm, nonce, algorithm, qop, opaque, proxy }: Challenge,
  { account, method, uri, count, seed }: Answering,
): readonly [name: string, value: string] {
  const hash = (text: string) =>
    createHash(algorithm === "MD5" ? "md5" : "sha256")
      .update(text, "utf8")
      .digest("hex");
  const ha1 = hash(`${account.username}:${realm}:${account.password}`);
  const ha2 = hash(`${method}:${uri}`);
  const nc = count.toString(16).padStart(8, "0");
  const cnonce = createHmac("sha256", seed).update(`${nonce}|${nc}`).digest("hex").slice(0, 16);
  const response = hash(qop ? `${ha1}:${nonce}:${nc}:${cnonce}:auth:${ha2}` : `${ha1}:${nonce}:${ha2}`);
  const parts = [
    `username=${quoted(account.username)}`, `realm=${quoted(realm)}`, `nonce=${quoted(nonce)}`, `uri=${quoted(uri)}`,
    `response="${response}"`, `algorithm=${algorithm}`,
    ...(qop ? ["qop=auth", `nc=${nc}`, `cnonce="${cnonce}"`] : []),
    ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
  ]; // prettier-ignore
  return [headerOf(proxy), `Digest ${parts.join(", ")}`];
}

const headerOf = (proxy: boolean) => (proxy ? "Proxy-Authorization" : "Authorization");

const quoted = (text: string): string => `"${text.replace(/(["\\])/g, "\\$1")}"`;
