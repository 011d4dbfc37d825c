import { createHmac, timingSafeEqual } from "node:crypto";

/** The administrator's bearer token: whoever may read the cluster's secret may make it. `up` writes it to the home folder. */
export const adminToken = (secret: string): string =>
  createHmac("sha256", secret).update("crossband administrator").digest("base64url");

/** Compares without telling by its time how much was right. */
export function isAdminToken(secret: string, token: string): boolean {
  const [expected, given] = [Buffer.from(adminToken(secret)), Buffer.from(token)];
  return expected.length === given.length && timingSafeEqual(expected, given);
}
