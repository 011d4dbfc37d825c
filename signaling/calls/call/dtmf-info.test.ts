import { describe, expect, it } from "vitest";
import { digitOfInfo } from "./dtmf-info.ts";

describe("telephone keys by INFO", () => {
  it.each([
    ["application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5"],
    ["application/dtmf-relay", "Signal= *\r\nDuration= 250\r\n", "*"],
    ["application/dtmf-relay", "Signal=#\n", "#"],
    ["application/dtmf-relay", "Signal=11\r\nDuration=100", "#"],
    ["application/dtmf-relay", "Signal=10", "*"],
    ["application/dtmf-relay", "Signal=d", "D"],
    ["application/dtmf-relay", "Duration=160", undefined],
    ["application/dtmf-relay", "Signal=55", undefined],
    ["application/dtmf", "7\r\n", "7"],
    ["application/dtmf", "77", undefined],
    ["application/dtmf", "", undefined],
    ["text/plain", "5", undefined],
    [undefined, "", undefined],
  ])("%s %j is %s", (contentType, body, digit) => {
    expect(digitOfInfo(contentType, body)).toBe(digit);
  });
});
