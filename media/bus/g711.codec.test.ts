import { describe, expect, it } from "vitest";
import { decodeG711, encodeG711, pcma, pcmu } from "./g711.codec.ts";

describe("G.711", () => {
  it.each([
    ["PCMU", pcmu, 0x00, -32_124],
    ["PCMU", pcmu, 0x80, 32_124],
    ["PCMU", pcmu, 0xff, 0],
    ["PCMU", pcmu, 0xf0, 120],
    ["PCMA", pcma, 0xd5, 8],
    ["PCMA", pcma, 0x55, -8],
    ["PCMA", pcma, 0xaa, 32_256],
    ["PCMA", pcma, 0x2a, -32_256],
  ])("%s decodes code %#x as the recommendation does", (_name, { toLinear }, code, value) => {
    expect(toLinear[code]).toBe(value);
  });

  it.each([
    ["PCMU", pcmu],
    ["PCMA", pcma],
  ])("%s encodes every decoded value to a code of the same value", (_name, { toLinear, toCode }) => {
    const again = [...toLinear].map((value) => toLinear[toCode[value & 0xffff] ?? 0]);
    expect(again).toEqual([...toLinear]);
  });

  it.each([
    ["PCMU", pcmu],
    ["PCMA", pcma],
  ])("%s is wrong by at most half a step for any sample", (_name, { toLinear, toCode }) => {
    const sorted = [...toLinear].sort((a, b) => a - b);
    for (let sample = -32_000; sample <= 32_000; sample += 61) {
      const error = Math.abs((toLinear[toCode[sample & 0xffff] ?? 0] ?? 0) - sample);
      const best = Math.min(...sorted.map((value) => Math.abs(value - sample)));
      expect(error).toBeLessThanOrEqual(Math.max(best, 8));
    }
  });

  it.each([
    ["PCMU", pcmu, 0xff],
    ["PCMA", pcma, 0xd5],
  ])("%s sends silence as its idle code", (_name, law, idle) => {
    const octets = new Uint8Array(4);
    encodeG711(law, new Int16Array(4), octets);
    expect([...octets]).toEqual([idle, idle, idle, idle]);
    const pcm = new Int16Array(4);
    decodeG711(law, octets, pcm);
    expect(Math.max(...pcm.map(Math.abs))).toBeLessThanOrEqual(8);
  });
});
