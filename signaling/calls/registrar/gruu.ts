import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import type { Binding } from "#state/registration/binding.ts";
import { isOwnHost, type OwnHosts } from "#signaling/calls/routing/address.ts";
import { escapeUser, type SipUri } from "#signaling/edge/message/uri.ts";

/** Which device of a user a GRUU names (RFC 5627). */
export interface Device {
  readonly user: string;
  /** True for the bindings that it reaches. */
  readonly reaches: (binding: Binding) => boolean;
}

export interface Gruus {
  /** Contact parameters of a binding in the answer to a REGISTER (§5.3); "" when it has no instance. */
  paramsOf(user: string, domain: string, binding: Binding): string;
  /** The device that a request-URI names; `unknown` for a GRUU that we never gave, undefined for what is none. */
  deviceOf(uri: SipUri | undefined, own: OwnHosts): Device | "unknown" | undefined;
}

const CIPHER = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;
const DIGEST_BYTES = 8;
const PREFIX = "tgruu.";

/**
 * Makes and reads GRUUs without keeping any: a temporary one is sealed under the cluster's key and holds the user, the device
 * and the Call-ID of the registration. So every instance reads it, nobody can link two of them, and all of a registration are
 * void when the device registers with another Call-ID (§5.4).
 */
export function createGruus(secret: string): Gruus {
  const key = Buffer.from(hkdfSync("sha256", secret, "", "temporary gruu", 32));

  const seal = (plain: Buffer): string => {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, key, iv);
    return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString(
      "base64url",
    );
  };
  const open = (text: string): Buffer | undefined => {
    const bytes = Buffer.from(text, "base64url");
    if (bytes.length < IV_BYTES + 2 * DIGEST_BYTES + TAG_BYTES || bytes.length > 256) return undefined;
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, IV_BYTES));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
    } catch {
      return undefined;
    }
  };

  return {
    paramsOf(user, domain, { instanceId, callId }) {
      if (instanceId === undefined) return "";
      const gr = escapeUser(instanceId.slice(1, -1)).replaceAll("%3A", ":").replace(/[,?]/g, "");
      const token = seal(Buffer.concat([digest(instanceId), digest(callId), Buffer.from(user, "utf8")]));
      return `;pub-gruu="sip:${user}@${domain};gr=${gr}";temp-gruu="sip:${PREFIX}${token}@${domain};gr"`;
    },
    deviceOf(uri, own) {
      const gr = uri?.params.get("gr");
      if (!uri || gr === undefined || uri.user === undefined || !isOwnHost(own, uri.host)) return undefined;
      if (gr !== "") {
        const instance = `<${unescape(gr)}>`;
        return { user: uri.user, reaches: ({ instanceId }) => instanceId === instance };
      }
      const plain = uri.user.startsWith(PREFIX) ? open(uri.user.slice(PREFIX.length)) : undefined;
      if (!plain) return "unknown";
      const [device, registration] = [
        plain.subarray(0, DIGEST_BYTES),
        plain.subarray(DIGEST_BYTES, 2 * DIGEST_BYTES),
      ];
      return {
        user: plain.subarray(2 * DIGEST_BYTES).toString("utf8"),
        reaches: ({ instanceId, callId }) =>
          instanceId !== undefined &&
          digest(instanceId).equals(device) &&
          digest(callId).equals(registration),
      };
    },
  };
}

const digest = (text: string): Buffer =>
  createHash("sha256").update(text, "latin1").digest().subarray(0, DIGEST_BYTES);

function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
