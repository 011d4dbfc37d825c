import { createHmac, timingSafeEqual } from "node:crypto";

/** How long a nonce is good for; an older one is answered with `stale=true` and a new one, in ms. */
export const NONCE_LIFE_MS = 300_000;
/** Clocks of two instances may differ by this much before a nonce counts as from the future, in ms. */
const SKEW_MS = 5_000;

export type NonceVerdict = "fresh" | "stale" | "forged";

/**
 * Nonces that need no memory: the time and its keyed hash, so that any instance can check what another one gave out
 * (RFC 7616 §3.3).
 *
 *   lq3k9x2f.9cVx0…   time in base 36, dot, 22 characters of HMAC-SHA-256(secret, realm, time)
 */
export function makeNonce(secret: string, realm: string, nowMs: number): string {
  const time = nowMs.toString(36);
  return `${time}.${seal(secret, realm, time)}`;
}

export function checkNonce(secret: string, realm: string, nonce: string, nowMs: number): NonceVerdict {
  const [, time, given] = /^([0-9a-z]{8,9})\.([A-Za-z0-9_-]{22})$/.exec(nonce) ?? [];
  if (time === undefined || given === undefined) return "forged";
  if (!timingSafeEqual(Buffer.from(given), Buffer.from(seal(secret, realm, time)))) return "forged";
  const ageMs = nowMs - Number.parseInt(time, 36);
  if (ageMs < -SKEW_MS) return "forged";
  return ageMs > NONCE_LIFE_MS ? "stale" : "fresh";
}

const seal = (secret: string, realm: string, time: string): string =>
  createHmac("sha256", secret).update(`nonce\0${realm}\0${time}`).digest("base64url").slice(0, 22);
