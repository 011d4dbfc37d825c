import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseProvision } from "./directory.ts";

const file = (trunk: string) =>
  `agencies: [{ id: fire, name: Fire }]\nusers: [{ id: alice, agency: fire, name: Alice, password: x }]\ntalkGroups: [{ id: g, agency: fire, name: G }]\ntrunks: [{ id: t, peers: ["192.0.2.1:5060"], ${trunk} }]`;

describe("trunks in a provisioning file", () => {
  it("takes the example of the operator's manual", () => {
    const manual = readFileSync(new URL("../../docs/OPERATIONS.md", import.meta.url), "utf8");
    const example = /## Trunks\n\n```yaml\n([\s\S]*?)```/.exec(manual)?.[1] ?? "";
    expect(parseProvision(example).trunks[0]).toMatchObject({
      id: "carrier-a",
      maxCalls: 30,
      allow: ["county-fire"],
    });
  });

  it("takes what a trunk has least", () => {
    const [trunk] = parseProvision(file('inbound: [{ did: "+15551230001", to: g }]')).trunks;
    expect(trunk).toMatchObject({
      enabled: true,
      optionsSeconds: 30,
      allow: [],
      whenFull: 503,
      failoverOn: ["5xx"],
    });
  });

  it.each([
    ['peers: ["http://x"]', "trunks.0.peers.0: must be host:port"],
    [
      'hosts: ["192.0.2.0/"]',
      "trunks.0.hosts.0: must be an address, a network such as 192.0.2.0/24, or a DNS name",
    ],
    ["username: u", "trunks.0.password: is missing: an account has a username and a password"],
    ["register: true", "trunks.0.register: needs username and password"],
    ['outbound: [{ prefix: "+1" }]', 'trunks.0.allow: names nobody who may call out; "*" admits everybody'],
    [
      'outbound: [{ prefix: "1" }], allow: ["*"]',
      "trunks.0.outbound.0.prefix: must be the beginning of an E.164 number",
    ],
    ["allow: [bob]", "trunks.0.allow.0: names no user or agency of this file: bob"],
    ["inbound: [{ to: g }]", "trunks.0.inbound.0: must have either did, or prefix, or from and until"],
    [
      'inbound: [{ did: "+15551230001", prefix: "+1", to: g }]',
      "must have either did, or prefix, or from and until",
    ],
    [
      'inbound: [{ from: "+15551230009", until: "+15551230001", to: g }]',
      "trunks.0.inbound.0.until: must be as long as from",
    ],
    ['inbound: [{ did: "+15551230001", to: nobody }]', "trunks.0.inbound.0.to: names no user or talk group"],
    ["numberFormat: national", "trunks.0.numberFormat: national needs countryCode"],
    ["maxCalls: 0", "trunks.0.maxCalls"],
  ])("says what is wrong with %s", (more, problem) => {
    const text = more.startsWith("peers")
      ? file("").replace('peers: ["192.0.2.1:5060"], ', `${more} `)
      : file(more);
    expect(() => parseProvision(text)).toThrow(problem);
  });
});
