import { expect, it } from "vitest";
import { calm } from "./calm.ts";

it("writes the first line at once, keeps back those that follow closely, and says how many", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const warn = calm(
    (keptBack, text: string) => lines.push(`${text} (${keptBack})`),
    1_000,
    () => nowMs,
  );
  warn("one");
  for (let i = 0; i < 500; i++) warn("more");
  nowMs = 1_000;
  warn("two");
  nowMs = 2_500;
  warn("three");
  expect(lines).toEqual(["one (0)", "two (500)", "three (0)"]);
});
