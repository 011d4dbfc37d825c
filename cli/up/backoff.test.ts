import { describe, expect, it } from "vitest";
import { restartDelayOf } from "./backoff.ts";

describe("restartDelayOf", () => {
  it("restarts at once after the first death, then doubles up to five seconds", () => {
    expect([1, 2, 3, 4, 5, 6, 20].map((deaths) => restartDelayOf(deaths, 0).delayMs)).toEqual([
      200, 400, 800, 1_600, 3_200, 5_000, 5_000,
    ]);
  });

  it("forgets earlier deaths of a process that ran well for half a minute", () => {
    expect(restartDelayOf(9, 30_000)).toEqual({ delayMs: 200, deaths: 1 });
  });
});
