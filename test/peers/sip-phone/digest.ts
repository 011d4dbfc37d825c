import { createHash, randomBytes } from "node:crypto";

/** One challenge of a 401 or 407 (RFC 7616 §3.3, RFC 8760). */
export interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: "MD5" | "SHA-256";
  readonly opaque?: string;
  readonly qop?: "auth";
}

/** Reads a challenge; undefined when its scheme or algorithm is not ours. */
export function parseChallenge(value: string): Challenge | undefined {
  if (!/^digest\s/i.test(value)) return undefined;
  const fields = new Map<string, string>();
  for (const [, name = "", quoted, token] of value
    .slice(7)
    .matchAll(/([a-z0-9-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/gi))
    fields.set(name.toLowerCase(), quoted ?? token ?? "");
  const [realm, nonce] = [fields.get("realm"), fields.get("nonce")];
  const algorithm = (fields.get("algorithm") ?? "MD5").toUpperCase();
  if (realm === undefined || nonce === undefined || (algorithm !== "MD5" && algorithm !== "SHA-256"))
    return undefined;
  const opaque = fields.get("opaque");
  const qop = fields
    .get("qop")
    ?.split(",")
    .some((option) => option.trim() === "auth");
  return {
    realm,
    nonce,
    algorithm,
    ...(opaque !== undefined && { opaque }),
    ...(qop === true && { qop: "auth" }),
  };
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** The value of an Authorization or Proxy-Authorization header. */
export function answerChallenge(
  challenge: Challenge,
  { user, password }: Credentials,
  {
    method,
    uri,
    count = 1,
    cnonce = randomBytes(8).toString("hex"),
  }: { method: string; uri: string; count?: number; cnonce?: string },
): string {
  const hash = (text: string) =>
    createHash(challenge.algorithm === "MD5" ? "md5" : "sha256")
      .update(text)
      .digest("hex");
  const ha1 = hash(`${user}:${challenge.realm}:${password}`);
  const ha2 = hash(`${method}:${uri}`);
  const nc = count.toString(16).padStart(8, "0");
  const qop = challenge.qop === undefined ? "" : `:${nc}:${cnonce}:auth`;
  const fields = [
    `username="${user}"`,
    `realm="${challenge.realm}"`,
    `nonce="${challenge.nonce}"`,
    `uri="${uri}"`,
    `response="${hash(`${ha1}:${challenge.nonce}${qop}:${ha2}`)}"`,
    `algorithm=${challenge.algorithm}`,
    ...(challenge.qop === undefined ? [] : ["qop=auth", `nc=${nc}`, `cnonce="${cnonce}"`]),
    ...(challenge.opaque === undefined ? [] : [`opaque="${challenge.opaque}"`]),
  ];
  return `Digest ${fields.join(", ")}`;
}
