import { describe, expect, it } from "vitest";
import { newCallId } from "#signaling/edge/engine/ids.ts";
import { CallShare } from "./call-share.ts";

const begin = (share: CallShare, calls: number, second: number): void => {
  for (let i = 0; i < calls; i++) share.begin(second * 1_000 + (i * 999) / calls);
};
const ids = Array.from({ length: 2_000 }, newCallId);
const taken = (share: CallShare): number => ids.filter((id) => share.has(id)).length / ids.length;

describe("the share of calls that is looked at", () => {
  it("is all of them while they are few", () => {
    const share = new CallShare(100);
    for (let second = 1; second < 5; second++) begin(share, 100, second);
    expect(taken(share)).toBe(1);
  });

  it("is so large that the rate is kept, and all again when the rush is over", () => {
    const share = new CallShare(100);
    for (let second = 1; second < 4; second++) begin(share, 1_000, second);
    expect(taken(share)).toBeGreaterThan(0.07);
    expect(taken(share)).toBeLessThan(0.13);
    begin(share, 10, 4);
    begin(share, 1, 60);
    expect(taken(share)).toBe(1);
  });

  it("is the same calls in every process of the same load", () => {
    const [one, two] = [new CallShare(100), new CallShare(100)];
    for (const share of [one, two]) for (let second = 1; second < 4; second++) begin(share, 1_000, second);
    expect(ids.filter((id) => one.has(id))).toEqual(ids.filter((id) => two.has(id)));
  });
});
