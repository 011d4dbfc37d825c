import { describe, expect, it } from "vitest";
import { fromE164, inboundOf, toE164, type Numbering } from "./trunk-numbers.ts";

const numbering = (more: Partial<Numbering>): Numbering => ({
  countryCode: undefined, nationalPrefix: undefined, internationalPrefix: undefined, numberFormat: "e164", ...more,
}); // prettier-ignore
const us = numbering({ countryCode: "1", nationalPrefix: "1", internationalPrefix: "011" });
const de = numbering({ countryCode: "49", nationalPrefix: "0", internationalPrefix: "00" });

describe("numbers of a trunk", () => {
  it.each([
    ["+15551230001", us, "+15551230001"], ["+1 (555) 123-0001", us, "+15551230001"], ["15551230001", us, "+15551230001"],
    ["5551230001", us, "+15551230001"], ["0114930123456", us, "+4930123456"], ["030123456", de, "+4930123456"],
    ["004930123456", de, "+4930123456"], ["4930123456", de, "+4930123456"], ["30123456", de, "+4930123456"],
    ["15551230001", numbering({}), "+15551230001"], ["0301234567", numbering({}), undefined], ["911", us, undefined],
    ["112", de, undefined], ["alice", us, undefined], ["", us, undefined], ["+", us, undefined], ["+05551230001", us, undefined],
    ["1234567890123456", numbering({}), undefined],
  ])("reads %s as it is meant", (text, from, number) => {
    expect(toE164(text, from)).toBe(number);
  }); // prettier-ignore

  it.each([
    ["+15551230001", us, "+15551230001"], ["+15551230001", { ...us, numberFormat: "digits" }, "15551230001"],
    ["+15551230001", { ...us, numberFormat: "national" }, "15551230001"], ["+4930123456", { ...us, numberFormat: "national" }, "0114930123456"],
    ["+4930123456", { ...de, numberFormat: "national" }, "030123456"],
  ] as const)("writes %s as the carrier wants it", (number, to, text) => {
    expect(fromE164(number, to)).toBe(text);
  }); // prettier-ignore

  it("prefers the number itself to its range, and the range to prefixes, the longest first", () => {
    const entries = [
      { prefix: "+1", to: "all" }, { prefix: "+1555", to: "area" }, { from: "+15551230000", until: "+15551230099", to: "range" },
      { did: "+15551230007", to: "one" },
    ]; // prettier-ignore
    const leadsTo = (number: string) => inboundOf(entries, number)?.to;
    expect(["+15551230007", "+15551230008", "+15551230100", "+16661230000", "+4930123456"].map(leadsTo)).toEqual(
      ["one", "range", "area", "all", undefined],
    ); // prettier-ignore
  });
});
