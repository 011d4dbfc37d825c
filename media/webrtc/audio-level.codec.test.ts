import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quietnessOf } from "./audio-level.codec.ts";

const oneByte = (...body: number[]) => ({ profile: 0xbede, body: Uint8Array.from(body) });

describe("audio level of a packet (RFC 6464)", () => {
  it("is the low seven bits of its element, without the voice flag", () => {
    expect(quietnessOf(oneByte(0x60, 0x80 | 33, 0, 0), 6)).toBe(33);
  });

  it("is found behind other elements and padding", () => {
    expect(quietnessOf(oneByte(0x42, 1, 2, 3, 0, 0x10, 48, 0, 0x60, 5, 0, 0), 6)).toBe(5);
  });

  it.each([
    ["no extension", undefined],
    ["the two-byte form", { profile: 0x1000, body: Uint8Array.from([6, 1, 33, 0]) }],
    ["no such element", oneByte(0x10, 48, 0, 0)],
    ["a list that ended", oneByte(0xf0, 0x60, 33, 0)],
    ["an element cut off", oneByte(0x60)],
  ])("is unknown with %s", (_title, extension) => {
    expect(quietnessOf(extension, 6)).toBeUndefined();
  });

  it("is 0 to 127 or unknown, whatever the octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (body) => {
        const level = quietnessOf({ profile: 0xbede, body }, 6);
        expect(level === undefined || (level >= 0 && level <= 127)).toBe(true);
      }),
    );
  });
});
