import { describe, expect, it } from "vitest";
import { parseUri } from "#signaling/edge/message/uri.ts";
import { createTargetResolver, type NameService } from "./resolve.ts";

const ADDRESSES: ReadonlyMap<string, readonly string[]> = new Map([
  ["a.carrier.example", ["192.0.2.1"]],
  ["b.carrier.example", ["192.0.2.2"]],
  ["plain", ["192.0.2.3", "2001:db8::3"]],
]);

const names = (asked: string[] = []): NameService => ({
  srv(name) {
    asked.push(name);
    if (name !== "_sip._udp.carrier.example") return Promise.reject(new Error("ENOTFOUND"));
    return Promise.resolve([
      { name: "b.carrier.example", port: 5080, priority: 20, weight: 0 },
      { name: "a.carrier.example", port: 5070, priority: 10, weight: 0 },
    ]);
  },
  addresses(host) {
    asked.push(host);
    return Promise.resolve(ADDRESSES.get(host) ?? []);
  },
});

async function resolve(text: string, asked?: string[]): Promise<string[]> {
  const uri = parseUri(text);
  if (!uri) throw new Error("bad uri");
  return (await createTargetResolver(names(asked))(uri)).map(
    ({ transport, host, port }) => `${transport} ${host} ${port}`,
  );
}

describe("target of a request (RFC 3263)", () => {
  it.each([
    ["sip:a@192.0.2.9", ["udp 192.0.2.9 5060"]],
    ["sip:a@[2001:db8::1]:5070;transport=tcp", ["tcp 2001:db8::1 5070"]],
    ["sip:a@192.0.2.9;maddr=192.0.2.8", ["udp 192.0.2.8 5060"]],
    ["sip:a@carrier.example", ["udp 192.0.2.1 5070", "udp 192.0.2.2 5080"]],
    ["sips:a@192.0.2.9", ["tls 192.0.2.9 5061"]],
    ["sip:a@plain;transport=tls", ["tls 192.0.2.3 5061", "tls 2001:db8::3 5061"]],
    ["sip:a@plain:5090", ["udp 192.0.2.3 5090", "udp 2001:db8::3 5090"]],
    ["sip:a@plain", ["udp 192.0.2.3 5060", "udp 2001:db8::3 5060"]],
    ["sip:a@nowhere.example", []],
    ["sip:a@192.0.2.9;transport=ws", []],
    ["tel:+15551230001", []],
  ])("%s → %j", async (text, expected) => {
    await expect(resolve(text)).resolves.toEqual(expected);
  });

  it("asks once for a name that it has just been told, and again for one that was not there", async () => {
    const asked: string[] = [];
    const find = createTargetResolver(names(asked));
    const uri = parseUri("sip:a@plain:5060") ?? expect.unreachable();
    await find(uri);
    await find(uri);
    expect(asked).toEqual(["plain"]);
    const gone = parseUri("sip:a@nowhere.example:5060") ?? expect.unreachable();
    await find(gone);
    await find(gone);
    expect(asked).toEqual(["plain", "nowhere.example", "nowhere.example"]);
  });

  it("draws targets of one priority by weight (RFC 2782)", async () => {
    const weighed: NameService = {
      srv: (name) =>
        Promise.resolve(
          name.startsWith("_sip._udp")
            ? [
                { name: "light", port: 1, priority: 1, weight: 10 },
                { name: "heavy", port: 2, priority: 1, weight: 90 },
                { name: "last", port: 3, priority: 2, weight: 99 },
              ]
            : [],
        ),
      addresses: (host) => Promise.resolve([host]),
    };
    let seed = 1;
    const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const uri = parseUri("sip:a@carrier.example") ?? expect.unreachable();
    let heavyFirst = 0;
    for (let i = 0; i < 400; i++) {
      const found = await createTargetResolver(weighed, random)(uri);
      if (found[0]?.host === "heavy") heavyFirst++;
      expect(found.at(-1)?.host).toBe("last");
    }
    expect(heavyFirst).toBeGreaterThan(330);
    expect(heavyFirst).toBeLessThan(390);
  });
});
