import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadSipFixture } from "#test/fixtures/sip/load-sip-fixture.ts";
import { parseMessage } from "./parse.ts";

const load = (name: string) => parseMessage(loadSipFixture(`rfc4475/${name}`));
const accepted = (name: string) => {
  const result = load(name);
  if (!result.ok) throw new Error(`${name} refused: ${result.status} ${result.reason}`);
  return result.message;
};

// prettier-ignore
const VALID = [
  "wsinv", "intmeth", "esc01", "escnull", "esc02", "lwsdisp", "longreq", "dblreq", "semiuri", "transports", "mpart01",
  "unreason", "noreason",
  // §3.1.2 leaves these to the element: read them, what they ask for is decided further on.
  "baddate", "badbranch", "escruri",
  // §3.3, §3.4: well-formed, for the transaction and application layers.
  "unkscm", "novelsc", "unksm2", "bext01", "invut", "regaut01", "bcast", "zeromf", "cparam01", "cparam02", "regescrt", "sdp01",
  "inv2543",
];

// prettier-ignore
const INVALID: readonly (readonly [name: string, status: number, reason: string])[] = [
  ["badinv01",   400, "Bad Via"],
  ["clerr",      400, "Body Shorter Than Content-Length"],
  ["ncl",        400, "Bad Content-Length"],
  ["scalar02",   400, "Bad CSeq"],
  ["scalarlg",   400, "Bad CSeq"],
  ["quotbal",    400, "Bad To"],
  ["ltgtruri",   400, "Bad Request-URI"],
  ["lwsruri",    400, "Bad Request-URI"],
  ["lwsstart",   400, "Extra Space in Start Line"],
  ["trws",       400, "Bad Start Line"],
  ["regbadct",   400, "Bad Contact"],
  ["badaspec",   400, "Bad To"],
  ["baddn",      400, "Bad From"],
  ["badvers",    505, "Version Not Supported"],
  ["mismatch01", 400, "CSeq Method Mismatch"],
  ["mismatch02", 400, "CSeq Method Mismatch"],
  ["bigcode",    400, "Bad Start Line"],
  ["insuf",      400, "Missing From"],
  ["multi01",    400, "Repeated From"],
  ["mcl01",      400, "Repeated Content-Length"],
];

describe("RFC 4475", () => {
  it.each(VALID)("reads %s", (name) => {
    const message = accepted(name);
    expect(message.firstMalformed()).toBeUndefined();
  });

  it.each(INVALID)("refuses %s with %i %s", (name, status, reason) => {
    expect(load(name)).toMatchObject({ ok: false, status, reason });
  });

  it("has a verdict for every file", () => {
    const files = readdirSync(new URL("../../../test/fixtures/sip/rfc4475/", import.meta.url));
    const named = [...VALID, ...INVALID.map(([name]) => name)].map((name) => `${name}.sip`);
    expect(named.sort()).toEqual(files.sort());
  });
});

describe("RFC 4475 §3.1.1", () => {
  it("3.1.1.1 finds every value of a message full of folds, blanks and compact names", () => {
    const message = accepted("wsinv");
    expect(message.to).toMatchObject({ tag: "1918181833n", uriText: "sip:vivekg@chair-dnrc.example.com" });
    expect(message.from).toMatchObject({ displayName: 'J Rosenberg \\"', tag: "98asjd8" });
    expect(message.maxForwards).toBe(68);
    expect(message.cseq).toEqual({ seq: 9, method: "INVITE" });
    expect(message.via.map(({ transport, host, branch }) => [transport, host, branch])).toEqual([
      ["UDP", "192.0.2.2", "390skdjuw"],
      ["TCP", "spindle.example.com", "z9hG4bK9ikj8"],
      ["UDP", "192.168.255.111", "z9hG4bK30239"],
    ]);
    expect(message.header("Subject")).toBe("");
    expect(message.header("newfangledheader")).toBe("newfangled value continued newfangled value");
    expect(message.routes[0]?.uri.params.has("lr")).toBe(true);
    expect(message.contacts[0]?.params).toEqual(
      new Map([
        ["newparam", "newvalue"],
        ["secondparam", ""],
        ["q", "0.33"],
      ]),
    );
    expect(message.body.startsWith("v=0\r\n")).toBe(true);
  });

  it("3.1.1.2 takes methods, users and call ids of unusual characters", () => {
    const message = accepted("intmeth");
    expect(message.method).toBe("!interesting-Method0123456789_*+`.%indeed'~");
    expect(message.requestUri).toMatchObject({ host: "example.com" });
    expect(message.to.displayName).toBe("BEL:\x07 NUL:\0 DEL:\x7f");
  });

  it("3.1.1.3 keeps apart what is escaped from what is not", () => {
    expect(accepted("esc01").requestUri).toMatchObject({
      user: "sips:user@example.com",
      host: "example.net",
    });
    expect(accepted("esc01").to.uri.user).toBe("user");
    expect(accepted("esc01").contacts[0]?.uri.params.get("lr")).toBe("");
  });

  it("3.1.1.5 does not unescape a method or a header name", () => {
    const message = accepted("esc02");
    expect(message.method).toBe("RE%47IST%45R");
    expect(message.contacts).toHaveLength(2);
  });

  it("3.1.1.8 ignores what follows the first message of a datagram", () => {
    expect(accepted("dblreq")).toMatchObject({ method: "REGISTER", body: "" });
  });

  it("3.1.1.11 keeps a binary body byte for byte", () => {
    expect(accepted("mpart01").body).toContain("\x30\x82\x01\x52");
  });

  it("3.1.1.12 and 13 read any reason phrase, or none", () => {
    expect(accepted("unreason").reason).toHaveLength(
      "= 2**3 * 5**2 ".length + Buffer.byteLength("но сто девяносто девять - простое"),
    );
    expect(accepted("noreason").reason).toBe("");
  });
});
