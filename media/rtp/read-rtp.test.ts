import fc from "fast-check";
import { packets } from "rtp.js";
import { describe, expect, it } from "vitest";
import { readRtp, type RtpPacket } from "./read-rtp.ts";
import { RtpStream } from "./write-rtp.ts";

const { RtpPacket: Oracle } = packets;
const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const read = (datagram: Buffer): RtpPacket => {
  const packet = readRtp(datagram);
  if (typeof packet === "string") throw new Error(packet);
  return packet;
};

describe("reading RTP", () => {
  it("reads the fixed header and the payload", () => {
    expect(read(hex("80 80 0102 00000010 deadbeef aabbcc"))).toEqual({
      marker: true,
      payloadType: 0,
      sequence: 0x0102,
      timestamp: 16,
      ssrc: 0xdeadbeef,
      csrc: [],
      extension: undefined,
      payload: hex("aabbcc"),
    });
  });

  it("finds CSRCs where they are, and takes extension and padding off the payload", () => {
    const datagram = hex("b2 08 0001 00000001 00000001 11111111 22222222 0167 0001 10000000 aabb 000003");
    expect(read(datagram)).toMatchObject({
      csrc: [0x11111111, 0x22222222],
      extension: { profile: 0x0167, body: hex("10000000") },
      payload: hex("aabb"),
    });
  });

  it("reads from a slice of a larger buffer", () => {
    expect(read(hex("ffff 80 00 0001 00000001 00000001 aa").subarray(2)).payload).toEqual(hex("aa"));
  });

  it.each([
    ["short", ""],
    ["short", "80 00 0001 00000001 000000"],
    ["version", "00 00 0001 00000001 00000001"],
    ["version", "c0 00 0001 00000001 00000001"],
    ["rtcp", "80 c8 0006 00000001 00000001"],
    ["csrc", "81 00 0001 00000001 00000001"],
    ["csrc", "8f 00 0001 00000001 00000001 11111111"],
    ["extension", "90 00 0001 00000001 00000001"],
    ["extension", "90 00 0001 00000001 00000001 0167 0002 10000000"],
    ["padding", "a0 00 0001 00000001 00000001"],
    ["padding", "a0 00 0001 00000001 00000001 00"],
    ["padding", "a0 00 0001 00000001 00000001 aabbff"],
  ])("calls a packet that is wrong in its %s so: %s", (fault, text) => {
    expect(readRtp(hex(text))).toBe(fault);
  });

  it("reads what an independent library writes", () => {
    const header = fc.record({
      marker: fc.boolean(),
      payloadType: fc.integer({ min: 0, max: 63 }),
      sequence: fc.nat(0xffff),
      timestamp: fc.nat(0xffff_ffff),
      ssrc: fc.nat(0xffff_ffff),
      csrc: fc.array(fc.nat(0xffff_ffff), { maxLength: 15 }),
      payload: fc.uint8Array({ maxLength: 200 }),
      padding: fc.boolean(),
    });
    fc.assert(
      fc.property(header, ({ marker, payloadType, sequence, timestamp, ssrc, csrc, payload, padding }) => {
        const oracle = new Oracle();
        oracle.setMarker(marker);
        oracle.setPayloadType(payloadType);
        oracle.setSequenceNumber(sequence);
        oracle.setTimestamp(timestamp);
        oracle.setSsrc(ssrc);
        oracle.setCsrcs(csrc);
        oracle.setPayload(new DataView(payload.buffer, payload.byteOffset, payload.byteLength));
        if (padding) oracle.padTo4Bytes();
        const view = oracle.getView();
        const packet = read(Buffer.from(view.buffer, view.byteOffset, view.byteLength));
        expect(packet).toMatchObject({ marker, payloadType, sequence, timestamp, ssrc, csrc });
        expect(Buffer.compare(packet.payload, payload)).toBe(0);
      }),
    );
  });

  it("never throws, and never gives a payload from outside the datagram", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (octets) => {
        const packet = readRtp(Buffer.from(octets));
        if (typeof packet !== "string") expect(packet.payload.length).toBeLessThanOrEqual(octets.length - 12);
      }),
    );
  });
});

describe("writing RTP", () => {
  const packet = { payloadType: 0, payload: Uint8Array.of(1, 2, 3) };

  it("is read alike by an independent library", () => {
    const extension = { profile: 0x0167, body: hex("10000000") };
    const written = new RtpStream(8_000).write({ ...packet, atMs: 0, extension });
    const oracle = new Oracle(new DataView(written.buffer, written.byteOffset, written.byteLength));
    const payload = oracle.getPayload();
    expect([oracle.getPayloadType(), oracle.getMarker(), oracle.getCsrcs()]).toEqual([0, true, []]);
    expect(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)).toEqual(
      Buffer.from([1, 2, 3]),
    );
  });

  it("keeps its SSRC, counts on, marks each burst, and shows a pause in the timestamp only", () => {
    const stream = new RtpStream(8_000);
    const sent = [0, 20, 40].map((atMs) => read(stream.write({ ...packet, atMs })));
    stream.endBurst();
    sent.push(read(stream.write({ ...packet, atMs: 5_000 })));
    const [first] = sent;
    if (!first) throw new Error("nothing sent");
    expect(sent.map(({ ssrc }) => ssrc)).toEqual(Array(4).fill(first.ssrc));
    expect(sent.map(({ marker }) => marker)).toEqual([true, false, false, true]);
    expect(sent.map(({ sequence }) => (sequence - first.sequence) & 0xffff)).toEqual([0, 1, 2, 3]);
    expect(sent.map(({ timestamp }) => (timestamp - first.timestamp) >>> 0)).toEqual([0, 160, 320, 40_000]);
  });
});
