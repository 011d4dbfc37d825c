import { describe, expect, it } from "vitest";
import { addressBytes } from "./address-bytes.ts";
import { encodeHep, type HepPacket } from "./hep3.codec.ts";

const packet: HepPacket = {
  family: 4, protocol: "udp", source: Uint8Array.of(192, 0, 2, 1), destination: Uint8Array.of(192, 0, 2, 2), sourcePort: 5060,
  destinationPort: 5080, atUs: 1_700_000_000_000_007, agent: 2_060, correlation: "c1", payload: "A\u00e9",
}; // prettier-ignore

describe("HEP3", () => {
  it("is laid out in chunks", () => {
    expect(encodeHep(packet)?.toString("hex")).toBe(
      [
        "48455033" + "006d",
        "0000" + "0001" + "0007" + "02",
        "0000" + "0002" + "0007" + "11",
        "0000" + "0003" + "000a" + "c0000201",
        "0000" + "0004" + "000a" + "c0000202",
        "0000" + "0007" + "0008" + "13c4",
        "0000" + "0008" + "0008" + "13d8",
        "0000" + "0009" + "000a" + "6553f100",
        "0000" + "000a" + "000a" + "00000007",
        "0000" + "000b" + "0007" + "01",
        "0000" + "000c" + "000a" + "0000080c",
        "0000" + "0011" + "0008" + "6331",
        "0000" + "000f" + "0008" + "41e9",
      ].join(""),
    );
  });

  it("refuses what no datagram holds", () => {
    expect(encodeHep({ ...packet, payload: "x".repeat(66_000) })).toBeUndefined();
  });

  it.each([
    ["192.0.2.1", "c0000201"],
    ["2001:db8::1", "20010db8000000000000000000000001"],
    ["::", "0".repeat(32)],
    ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
    ["fe80::1%eth0", "fe800000000000000000000000000001"],
  ])("knows the bytes of %s", (host, hex) => {
    expect(Buffer.from(addressBytes(host) ?? []).toString("hex")).toBe(hex);
  });

  it.each(["sip.example.org", "300.1.1.1", "1:2", "1:2:3:4:5:6:7:8:9", "::g", ""])(
    "knows none of %j",
    (host) => {
      expect(addressBytes(host)).toBeUndefined();
    },
  );
});
