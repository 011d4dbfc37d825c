import { describe, expect, it } from "vitest";
import { provesDomain } from "./sip-identity.ts";

describe("the SIP identity of a certificate (RFC 5922 §7)", () => {
  // prettier-ignore
  it.each<[title: string, names: string | undefined, commonName: string, domain: string, proves: boolean]>([
    ["a SIP URI names the domain", "URI:sip:example.org, DNS:host.example.org", "x", "Example.org", true],
    ["with a SIP URI the DNS names do not count", "URI:sip:example.org, DNS:host.example.org", "x", "host.example.org", false],
    ["a URI with a user names a person", "URI:sip:alice@example.org", "example.org", "example.org", false],
    ["a DNS name, when no SIP URI is there", "DNS:example.org, URI:https://example.org", "x", "example.org", true],
    ["no wildcard", "DNS:*.example.org", "x", "sip.example.org", false],
    ["an address", "IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1", "x", "2001:db8::1", true],
    ["the common name, without alternative names", undefined, "example.org", "example.org", true],
    ["not the common name beside them", "DNS:other.org", "example.org", "example.org", false],
  ])("%s", (_title, names, CN, domain, proves) => {
    const certificate = { subject: { CN } as never, ...(names !== undefined && { subjectaltname: names }) };
    expect(provesDomain(certificate, domain)).toBe(proves);
  });
});
