import type { PeerCertificate } from "node:tls";

/**
 * Whether a certificate proves that its holder is the SIP server of a domain (RFC 5922 §7.1, §7.2): by a `sip:` URI among
 * its alternative names, else by a DNS name, without wildcards; by its common name only when it has no alternative names.
 *
 * @param domain the host of the URI that we set out to reach, before DNS made other names of it
 */
export function provesDomain(
  certificate: Pick<PeerCertificate, "subject" | "subjectaltname">,
  domain: string,
): boolean {
  const wanted = plain(domain);
  const names = (certificate.subjectaltname ?? "").split(", ").filter(Boolean);
  const of = (kind: string): string[] =>
    names.filter((name) => name.startsWith(`${kind}:`)).map((name) => name.slice(kind.length + 1));
  const uris = of("URI").filter((uri) => /^sip:/i.test(uri));
  // A URI with a user part names a person, not a domain.
  if (uris.length > 0 && uris.some((uri) => !uri.includes("@") && plain(uri.slice(4)) === wanted))
    return true;
  if (of("IP Address").some((address) => plain(address) === wanted)) return true;
  const hosts = of("DNS");
  if (hosts.length > 0) return uris.length === 0 && hosts.some((host) => plain(host) === wanted);
  const { CN } = certificate.subject;
  return names.length === 0 && typeof CN === "string" && plain(CN) === wanted;
}

/** Case, a last dot and the brackets of an IPv6 address do not matter; its spelling does, so it is written out. */
function plain(name: string): string {
  const host = name
    .toLowerCase()
    .replace(/\.$/, "")
    .replace(/^\[|\]$/g, "");
  return host.includes(":") ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host;
}
