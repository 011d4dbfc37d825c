import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import { der } from "./der.codec.ts";

/** A certificate chain and its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** Nobody renews a certificate that was made for them, and telephones pin it: it lasts ten years. */
const LIFE_MS = 10 * 365 * 86_400_000;
/** Clocks of telephones run behind: the certificate is valid from a day before it was made. */
const SKEW_MS = 86_400_000;
const ECDSA_SHA256 = "1.2.840.10045.4.3.2";
const SUBJECT_ALT_NAME = "2.5.29.17";

/**
 * Makes a key (P-256) and a certificate (X.509 v3, RFC 5280) that it signs itself, for whoever will be told to trust it.
 *
 * @param domain the SIP domain: common name, and SIP identity of the server (RFC 5922 §7.1)
 * @param names further host names and addresses that it stands for
 */
export function selfSigned(domain: string, names: readonly string[], nowMs: number): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der.sequence(der.oid(ECDSA_SHA256));
  const name = der.sequence(der.set(der.sequence(der.oid("2.5.4.3"), der.utf8(domain))));
  const body = der.sequence(
    der.context(0, der.integer(Buffer.of(2)), true),
    der.integer(randomBytes(16)),
    algorithm,
    name,
    der.sequence(der.time(new Date(nowMs - SKEW_MS)), der.time(new Date(nowMs + LIFE_MS))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der.context(3, der.sequence(...extensionsOf(domain, names)), true),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = der.sequence(body, algorithm, der.bitString(signature));
  return {
    certificate: pem("CERTIFICATE", certificate),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
  };
}

function extensionsOf(domain: string, names: readonly string[]): Buffer[] {
  const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
    der.sequence(der.oid(id), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
  const hosts = [...new Set([domain, ...names])];
  return [
    // An end entity's, not an authority's: trusting it trusts this server and nothing else.
    extension("2.5.29.19", true, der.sequence()),
    extension("2.5.29.15", true, der.bitString(Buffer.of(0x80), 7)), // digitalSignature
    extension(
      "2.5.29.37",
      false,
      der.sequence(der.oid("1.3.6.1.5.5.7.3.1"), der.oid("1.3.6.1.5.5.7.3.2")), // server, client
    ),
    extension(
      SUBJECT_ALT_NAME,
      false,
      der.sequence(
        der.context(6, Buffer.from(`sip:${domain}`), false),
        ...hosts.map((host) =>
          isIP(host) === 0 ? der.context(2, Buffer.from(host), false) : der.context(7, octetsOf(host), false),
        ),
      ),
    ),
  ];
}

/** An address as its 4 or 16 octets. */
function octetsOf(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const words = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const [left, right] = [words(head), words(tail ?? "")];
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const all = [...left, ...Array.from({ length: zeros }, () => "0"), ...right];
  return Buffer.from(all.flatMap((word) => [parseInt(word, 16) >> 8, parseInt(word, 16) & 0xff]));
}

const pem = (label: string, content: Buffer): string =>
  `-----BEGIN ${label}-----\n${content.toString("base64").replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`;
