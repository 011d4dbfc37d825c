import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import {
  agreedByThem,
  agreedByUs,
  dueOf,
  isTooShort,
  requestTerms,
  responseTerms,
  termsOf,
  type SessionTerms,
  type SessionTimer,
} from "./session-timer.ts";

const settings = { expiresSeconds: 1_800, minSeSeconds: 90 };
const message = (headers: string) => {
  const parsed = parseMessage(
    `INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=a\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n${headers}Content-Length: 0\r\n\r\n`,
  );
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};

describe("what a message says of session timers (RFC 4028 §4, §5)", () => {
  it.each<[headers: string, terms: SessionTerms | undefined]>([
    ["", undefined],
    ["Supported: timer\r\n", { timer: true }],
    ["k: 100rel, timer\r\nx: 3600;refresher=UAS\r\n", { timer: true, expires: 3_600, refresher: "uas" }],
    ["Session-Expires: 300\r\nMin-SE: 120\r\n", { expires: 300, minSe: 120 }],
    ["Session-Expires: soon\r\nSupported: timer\r\n", { timer: true }],
    ["Session-Expires: 300;refresher=both\r\n", { expires: 300 }],
    ["Allow: INVITE, ACK, UPDATE\r\n", { update: true }],
    ["Allow: INVITE, ACK\r\nX-Update: UPDATE\r\n", undefined],
    ["Subject: timer\r\n", undefined],
  ])("%j", (headers, terms) => {
    expect(termsOf(message(headers))).toEqual(terms);
  });
});

describe("an interval (§5, §9)", () => {
  it("that is too short is refused where its sender can ask again", () => {
    expect(isTooShort({ timer: true, expires: 60 }, settings)).toBe(true);
    expect(isTooShort({ timer: true, expires: 90 }, settings)).toBe(false);
    expect(isTooShort({ expires: 60 }, settings)).toBe(false);
  });
});

describe("who refreshes a session that the peer began (§9, table 2)", () => {
  it.each<[title: string, terms: SessionTerms | undefined, agreed: SessionTimer, headers: string[]]>([
    ["we alone, and say nothing, when the peer knows nothing of it", undefined, { s: 1_800, by: "us" }, []],
    ["we, by UPDATE where the peer takes it", { update: true }, { s: 1_800, by: "us", update: true }, []],
    [
      "the peer, when it can",
      { timer: true },
      { s: 1_800, by: "them", timer: true },
      ["1800;refresher=uac", "timer"],
    ],
    [
      "the peer, when it wants to",
      { timer: true, expires: 600, refresher: "uac" },
      { s: 600, by: "them", timer: true },
      ["600;refresher=uac", "timer"],
    ],
    [
      "we, when the peer wants us to",
      { timer: true, expires: 600, refresher: "uas" },
      { s: 600, by: "us", timer: true },
      ["600;refresher=uas"],
    ],
    [
      "never later than we want",
      { timer: true, expires: 7_200 },
      { s: 1_800, by: "them", timer: true },
      ["1800;refresher=uac", "timer"],
    ],
    [
      "never sooner than a proxy allows",
      { timer: true, expires: 1_000, minSe: 2_000 },
      { s: 2_000, by: "them", timer: true },
      ["2000;refresher=uac", "timer"],
    ],
    ["never sooner than we allow", { expires: 30 }, { s: 90, by: "us" }, []],
  ])("%s", (_title, terms, agreed, headers) => {
    expect(agreedByUs(terms, settings)).toEqual(agreed);
    expect(responseTerms(agreedByUs(terms, settings)).map(([, value]) => value)).toEqual(headers);
  });
});

describe("who refreshes a session that we began (§7.2)", () => {
  it.each<[title: string, terms: SessionTerms | undefined, agreed: SessionTimer]>([
    ["we alone, when the 2xx says nothing", undefined, { s: 1_800, by: "us" }],
    [
      "the peer, when it says so",
      { expires: 900, refresher: "uas", update: true },
      { s: 900, by: "them", timer: true, update: true },
    ],
    ["we, when it says so", { expires: 900, refresher: "uac" }, { s: 900, by: "us", timer: true }],
  ])("%s", (_title, terms, agreed) => {
    expect(agreedByThem(terms, { s: 1_800 })).toEqual(agreed);
  });

  it("the first request asks the peer, later ones name who does (§7.4)", () => {
    expect(requestTerms({ s: 1_800, by: "us" })).toContainEqual(["Session-Expires", "1800;refresher=uas"]);
    expect(requestTerms({ s: 900, by: "us", timer: true, at: 1 })).toContainEqual([
      "Session-Expires",
      "900;refresher=uac",
    ]);
    expect(requestTerms({ s: 900, by: "them", timer: true, at: 1 })).toContainEqual([
      "Session-Expires",
      "900;refresher=uas",
    ]);
  });
});

describe("the time of a session (§10)", () => {
  it.each<[title: string, timer: SessionTimer, atMs: number | undefined]>([
    ["comes half way when we refresh", { s: 1_800, by: "us", at: 1_000 }, 901_000],
    ["comes 32 s before the end when the peer does", { s: 1_800, by: "them", at: 1_000 }, 1_769_000],
    ["comes a third before the end of a short one", { s: 90, by: "them", at: 1_000 }, 61_030],
    ["does not come before the call is answered", { s: 1_800, by: "us" }, undefined],
  ])("%s", (_title, timer, atMs) => {
    expect(dueOf(timer)).toBe(atMs);
  });
});
