import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRadioRtp, encodeRadioRtp } from "./radio-rtp.codec.ts";

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const vector = "90e00102 00000320 cafef00d 01670001 10000000";

describe("encodeRadioRtp", () => {
  it("writes squelch open, marker and big-endian samples", () => {
    const packet = encodeRadioRtp({
      sequence: 258,
      timestamp: 800,
      ssrc: 0xcafef00d,
      marker: true,
      squelchOpen: true,
      samples: new Int16Array(160).fill(-2),
    });
    expect(Buffer.from(packet).toString("hex")).toBe(vector.replace(/\s/g, "") + "fffe".repeat(160));
  });

  it("writes flags alone as a packet without payload", () => {
    const packet = encodeRadioRtp({
      sequence: 65_537,
      timestamp: 2 ** 32 + 5,
      ssrc: 1,
      marker: false,
      squelchOpen: false,
    });
    expect(Buffer.from(packet).toString("hex")).toBe("906000010000000500000001016700010000" + "0000");
  });
});

describe("decodeRadioRtp", () => {
  it("reads push-to-talk and audio from a slice of a larger buffer", () => {
    const whole = hex(`00 90600007 00000000 00000001 01670001 20000000 ${"8001".repeat(160)}`);
    expect(decodeRadioRtp(whole.subarray(1))).toEqual({
      sequence: 7,
      transmit: true,
      muted: false,
      samples: new Int16Array(160).fill(-32_767),
    });
  });

  it("reads that we are muted from a packet without payload", () => {
    expect(decodeRadioRtp(hex("90600007 00000000 00000001 01670001 00200000"))).toEqual({
      sequence: 7,
      transmit: false,
      muted: true,
    });
  });

  it.each([
    ["version 1", vector.replace("90", "50")],
    ["padding", vector.replace("90", "b0")],
    ["no extension", vector.replace("90", "80")],
    ["another payload type", vector.replace("90e0", "9000")],
    ["another profile", vector.replace("0167", "0067")],
    ["a longer extension than there is", vector.replace("01670001", "0167ffff")],
    ["half a frame", `${vector} ${"00".repeat(160)}`],
  ])("refuses %s", (_what, text) => {
    expect(decodeRadioRtp(hex(text))).toBeUndefined();
  });

  it("refuses every short length and never throws", () => {
    for (let length = 0; length < 20; length++)
      expect(decodeRadioRtp(hex(vector).subarray(0, length))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
        decodeRadioRtp(octets);
      }),
    );
  });
});
