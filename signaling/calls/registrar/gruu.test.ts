import { describe, expect, it } from "vitest";
import type { Binding } from "#state/registration/binding.ts";
import { nextHop } from "#signaling/edge/dialog/next-hop.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import { parseUri } from "#signaling/edge/message/uri.ts";
import { createGruus } from "./gruu.ts";

const own = { domain: "crossband.test", addresses: new Set<string>() };
const gruus = createGruus("cluster secret");
const bound = (more: Partial<Binding> = {}): Binding => ({
  uri: "sip:a@192.0.2.7", q: 1_000, flow: { transport: "udp", host: "192.0.2.7", port: 5_060 }, key: "k", callId: "call-1", instanceId: "<urn:uuid:1>",
  expiresAtMs: 9e12, expiresInS: 60, ...more,
}); // prettier-ignore
/** Both GRUUs of a binding. */
function given(binding = bound()): { pub: string; temp: string } {
  const { params } = parseAddress(`<sip:x>${gruus.paramsOf("alice", own.domain, binding)}`) ?? {
    params: new Map<string, string>(),
  };
  const bare = (name: string) => (params.get(name) ?? "").replace(/^"|"$/g, "");
  return { pub: bare("pub-gruu"), temp: bare("temp-gruu") };
}
const deviceOf = (uri: string) => gruus.deviceOf(parseUri(uri), own);
const reaches = (uri: string, binding: Binding): boolean => {
  const device = deviceOf(uri);
  return typeof device === "object" && device.user === "alice" && device.reaches(binding);
};

describe("GRUUs (RFC 5627)", () => {
  it("name the user and the device: the public one openly, the temporary one so that nothing can be read", () => {
    const { pub, temp } = given();
    expect(pub).toBe("sip:alice@crossband.test;gr=urn:uuid:1");
    expect(temp).toMatch(/^sip:tgruu\.[A-Za-z0-9_-]+@crossband\.test;gr$/);
    expect(temp).not.toContain("alice");
    expect(given().temp).not.toBe(temp);
  });

  it("reach that device, and no other of the user", () => {
    const { pub, temp } = given();
    for (const gruu of [pub, temp]) {
      expect(reaches(gruu, bound())).toBe(true);
      expect(reaches(gruu, bound({ instanceId: "<urn:uuid:2>" }))).toBe(false);
    }
  });

  it("are void, if temporary, when the device registers with another Call-ID (§5.4)", () => {
    const { pub, temp } = given();
    const again = bound({ callId: "call-2" });
    expect(reaches(temp, again)).toBe(false);
    expect(reaches(pub, again)).toBe(true);
  });

  it("are read by every instance of the cluster, and made by nobody else", () => {
    const { temp } = given();
    const other = createGruus("cluster secret").deviceOf(parseUri(temp), own);
    expect(typeof other === "object" && other.reaches(bound())).toBe(true);
    expect(createGruus("another secret").deviceOf(parseUri(temp), own)).toBe("unknown");
    expect(deviceOf(temp.replace("tgruu.", "tgruu.A"))).toBe("unknown");
    expect(deviceOf("sip:tgruu.AAAA@crossband.test;gr")).toBe("unknown");
    expect(deviceOf("sip:alice@crossband.test;gr")).toBe("unknown");
  });

  it("are told from other addresses", () => {
    expect(deviceOf("sip:alice@crossband.test")).toBeUndefined();
    expect(deviceOf("sip:alice@elsewhere.test;gr=urn:uuid:1")).toBeUndefined();
    expect(deviceOf("tel:+15551230001")).toBeUndefined();
  });

  it("as Contact of a dialog lead to where the device is, not back here (§4.4)", () => {
    const { flow } = bound();
    expect(nextHop(given().pub, flow)).toEqual({ flow });
    expect(nextHop("sip:alice@crossband.test", flow)).not.toEqual({ flow });
  });

  it("are not given to a contact without an instance", () => {
    const { instanceId: _none, ...plain } = bound();
    expect(gruus.paramsOf("alice", own.domain, plain)).toBe("");
  });
});
