import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AUDIO_BYTES, decodeUsrp, encodeUnkey, encodeVoice, HEADER_BYTES } from "./wire.codec.ts";

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const samples = (fill: number) => new Int16Array(160).fill(fill);
const header = "55535250 00000005 00000000 00000001 00000000 00000000 00000000 00000000";

describe("voice", () => {
  it("is written as chan_usrp writes it", () => {
    const datagram = encodeVoice(5, samples(-2));
    expect(Buffer.from(datagram.subarray(0, HEADER_BYTES)).toString("hex")).toBe(header.replace(/\s/g, ""));
    expect(Buffer.from(datagram.subarray(HEADER_BYTES)).toString("hex")).toBe("feff".repeat(160));
  });

  it("is read from a slice of a larger buffer", () => {
    const whole = hex(`ffff ${header} ${"0180".repeat(160)}`);
    expect(decodeUsrp(whole.subarray(2))).toEqual({ kind: "voice", sequence: 5, samples: samples(-32_767) });
  });

  it("comes back as it was", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.int16Array({ minLength: 160, maxLength: 160 }),
        (sequence, audio) => {
          expect(decodeUsrp(encodeVoice(sequence, audio))).toEqual({
            kind: "voice",
            sequence,
            samples: audio,
          });
        },
      ),
    );
  });
});

describe("unkey", () => {
  const unkeyed = header.replace("00000001", "00000000");

  it("is written as a header alone", () => {
    expect(Buffer.from(encodeUnkey(5)).toString("hex")).toBe(unkeyed.replace(/\s/g, ""));
  });

  it.each([
    ["a header alone", unkeyed],
    ["DVSwitch's last frame, whose audio is none", unkeyed + "11".repeat(AUDIO_BYTES)],
    ["a header that claims to be keyed but brings no audio", header],
  ])("is read from %s", (_what, text) => {
    expect(decodeUsrp(hex(text))).toEqual({ kind: "unkey", sequence: 5 });
  });
});

describe("texts and other types", () => {
  const typed = (type: string, payload = "") =>
    hex(`55535250 00000001 00000000 00000000 00000000 ${type} 00000000 00000000 ${payload}`);
  const setInfo = "08 11 0003e8 00000001 00005b 02 01 4e304341 4c4c 00";

  it("reads the call sign of SET_INFO", () => {
    expect(decodeUsrp(typed("02000000", setInfo))).toMatchObject({
      kind: "info",
      info: { talker: "N0CALL" },
    });
  });

  it("reads a type in the other byte order too", () => {
    expect(decodeUsrp(typed("00000002", setInfo))).toMatchObject({
      kind: "info",
      info: { talker: "N0CALL" },
    });
  });

  it.each([
    ["another tag", "0300"],
    ["a cut SET_INFO", "081100"],
    ["control characters in the call sign", "08 0f 0003e8 00000001 00005b 02 01 1b5b00"],
    ["nothing", ""],
  ])("takes no talker from %s", (_what, payload) => {
    expect(decodeUsrp(typed("02000000", payload))).toMatchObject({ kind: "info", info: {} });
  });

  it("names what it has no use for", () => {
    expect(decodeUsrp(typed("06000000", "ff".repeat(160)))).toEqual({ kind: "other", sequence: 1, type: 6 });
  });
});

describe("bad datagrams", () => {
  it("says what is wrong with every short length", () => {
    const whole = hex(header + "11".repeat(AUDIO_BYTES));
    for (let length = 0; length < HEADER_BYTES; length++)
      expect(decodeUsrp(whole.subarray(0, length))).toEqual({ kind: "malformed", reason: "short" });
    for (let length = HEADER_BYTES + 1; length < whole.length; length++)
      expect(decodeUsrp(whole.subarray(0, length))).toEqual({ kind: "malformed", reason: "audio-length" });
  });

  it("refuses another magic and what is too long", () => {
    expect(decodeUsrp(hex(header.replace("55", "56")))).toEqual({ kind: "malformed", reason: "magic" });
    expect(decodeUsrp(new Uint8Array(1_501))).toEqual({ kind: "malformed", reason: "long" });
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
        decodeUsrp(octets);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
        decodeUsrp(Buffer.concat([Buffer.from("USRP"), octets]));
      }),
    );
  });
});
