import { describe, expect, it } from "vitest";
import { loadCorpus } from "./corpus.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { faultOf } from "./well-formed.ts";

const GOOD =
  "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 3\r\n\r\nabc";

describe("torture", () => {
  it("finds no fault with a good answer", () => {
    expect(faultOf(GOOD)).toBeUndefined();
  });

  it.each([
    ["a short body", GOOD.slice(0, -1)],
    ["two To headers", GOOD.replace("CSeq", "To: <sip:c@x>\r\nCSeq")],
    ["no Via", GOOD.replace(/Via.*\r\n/, "")],
    ["a line feed in a header", GOOD.replace("tag=2", "tag=\n2")],
    ["no reason", GOOD.replace("200 OK", "20 OK")],
    ["a header without a name", GOOD.replace("To:", " :")],
  ])("finds fault with %s", (_what, text) => {
    expect(faultOf(text)).toBeDefined();
  });

  it("makes the same messages of the same seed, and others of another", () => {
    const corpus = loadCorpus();
    const some = (seed: number): string[] => {
      const random = new Random(seed);
      return Array.from({ length: 50 }, () => mutate(corpus, random));
    };
    expect(some(1)).toEqual(some(1));
    expect(some(1)).not.toEqual(some(2));
  });

  it("starts from the messages of RFC 4475, of the stories, and of a call", () => {
    expect(loadCorpus().length).toBeGreaterThan(90);
  });
});
