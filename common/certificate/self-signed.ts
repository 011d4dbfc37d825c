import { isIP } from "node:net";

/** A certificate chain and its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** Nobody renews a certificate that was made for them, and telephones pin it: it lasts ten years. */
const LIFE_MS = 10 * 365 * 86_400_000;
/** Clocks of telephones run behind: the certificate is valid from a day before it was made. */
const SKEW_MS = 86_400_000;
const CURVE = { name: "ECDSA", namedCurve: "P-256" } as const;

/**
 * Makes a key (P-256) and a certificate (X.509 v3, RFC 5280) that it signs itself, for whoever will be told to trust it.
 *
 * @param domain the SIP domain: common name, and SIP identity of the server (RFC 5922 §7.1)
 * @param names further host names and addresses that it stands for
 */
export async function selfSigned(domain: string, names: readonly string[], nowMs: number): Promise<KeyPair> {
  // Loaded when a certificate is made, once in the life of a cluster: the library is heavy, and wants its polyfill first.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const keys = await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
  const hosts = [...new Set([domain, ...names])];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: [{ CN: [domain] }],
      notBefore: new Date(nowMs - SKEW_MS),
      notAfter: new Date(nowMs + LIFE_MS),
      signingAlgorithm: { name: CURVE.name, hash: "SHA-256" },
      keys,
      extensions: [
        // An end entity's, not an authority's: trusting it trusts this server and nothing else.
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([
          x509.ExtendedKeyUsage.serverAuth,
          x509.ExtendedKeyUsage.clientAuth,
        ]),
        new x509.SubjectAlternativeNameExtension([
          { type: "url", value: `sip:${domain}` },
          ...hosts.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
        ]),
      ],
    },
    crypto,
  );
  const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { certificate: certificate.toString("pem"), key: x509.PemConverter.encode(key, "PRIVATE KEY") };
}
