import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { a, naptr, srv, startDnsServer } from "#signaling/edge/testing/dns-server.ts";
import { parseUri } from "#signaling/edge/message/uri.ts";
import { createTargetResolver, systemNames } from "./resolve.ts";

let dns: Awaited<ReturnType<typeof startDnsServer>>;

beforeAll(async () => {
  dns = await startDnsServer([
    naptr("carrier.test", 20, "SIP+D2U", "_sip._udp.carrier.test"),
    naptr("carrier.test", 10, "SIP+D2T", "_sip._tcp.carrier.test"),
    naptr("carrier.test", 5, "SIPS+D2T", "_sips._tcp.secure.test"),
    srv("_sip._tcp.carrier.test", 10, 0, 5070, "one.carrier.test"),
    srv("_sip._tcp.carrier.test", 20, 0, 5071, "two.carrier.test"),
    srv("_sip._udp.carrier.test", 10, 0, 5072, "one.carrier.test"),
    srv("_sips._tcp.secure.test", 10, 0, 5073, "one.carrier.test"),
    srv("_sip._tcp.tcp-only.test", 10, 0, 5074, "two.carrier.test"),
    a("one.carrier.test", "192.0.2.1"),
    a("two.carrier.test", "192.0.2.2"),
    a("plain.test", "192.0.2.3"),
  ]);
});
afterAll(() => {
  dns.close();
});

async function resolve(text: string): Promise<string[]> {
  const uri = parseUri(text);
  if (!uri) throw new Error("bad uri");
  const found = await createTargetResolver(systemNames([dns.server]))(uri);
  return found.map(({ transport, host, port }) => `${transport} ${host}:${port}`);
}

describe("targets by DNS (RFC 3263 §4)", () => {
  it.each([
    [
      "sip:a@carrier.test",
      ["tls 192.0.2.1:5073", "tcp 192.0.2.1:5070", "tcp 192.0.2.2:5071", "udp 192.0.2.1:5072"],
    ],
    ["sips:a@carrier.test", ["tls 192.0.2.1:5073"]],
    ["sip:a@carrier.test;transport=udp", ["udp 192.0.2.1:5072"]],
    ["sip:a@tcp-only.test", ["tcp 192.0.2.2:5074"]],
    ["sip:a@plain.test", ["udp 192.0.2.3:5060"]],
    ["sip:a@one.carrier.test:5099", ["udp 192.0.2.1:5099"]],
    ["sip:a@nowhere.test", []],
  ])("%s → %j", async (uri, targets) => {
    await expect(resolve(uri)).resolves.toEqual(targets);
  });
});
