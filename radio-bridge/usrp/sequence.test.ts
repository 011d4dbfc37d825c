import { expect, it } from "vitest";
import { sequenceStep } from "./sequence.ts";

// prettier-ignore
it.each([
  ["the first one",            undefined,   17,          "restart", 0],
  ["the next one",             17,          18,          "next",    0],
  ["two lost",                 17,          20,          "next",    2],
  ["a doubled one",            17,          17,          "stale",   0],
  ["a late one",               17,          12,          "stale",   0],
  ["a restart at zero",        900,         0,           "restart", 0],
  ["a restart elsewhere",      900,         3,           "restart", 0],
  ["a wrap",                   0xffff_ffff, 1,           "next",    1],
  ["a pause, not loss",        17,          5_000,       "next",    0],
] as const)("%s", (_what, last, sequence, outcome, skipped) => {
  expect(sequenceStep(last, sequence)).toEqual({ outcome, skipped });
});
