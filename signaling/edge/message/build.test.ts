import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "./address.ts";
import { buildRequest, buildResponse } from "./build.ts";
import { bytesToUtf8, utf8ToBytes } from "./grammar.ts";
import { parseMessage } from "./parse.ts";
import { formatUri, parseUri } from "./uri.ts";

const base = [
  ["Via", "SIP/2.0/UDP h;branch=z9hG4bK1"],
  ["From", "<sip:a@b>;tag=1"],
  ["To", "<sip:c@d>"],
  ["Call-ID", "x"],
  ["CSeq", "1 MESSAGE"],
] as const;

function parse(text: string) {
  const result = parseMessage(text);
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

describe("writing messages", () => {
  it("keeps header order and counts Content-Length in bytes", () => {
    const body = utf8ToBytes("héé😀");
    const text = buildRequest({
      method: "MESSAGE",
      uri: "sip:c@d",
      headers: base,
      body,
      contentType: "text/plain",
    });
    expect(text).toContain("Content-Length: 9\r\n\r\n");
    expect(
      parse(text)
        .headerLines()
        .map(([name]) => name),
    ).toEqual(["Via", "From", "To", "Call-ID", "CSeq", "Content-Type", "Content-Length"]);
    expect(bytesToUtf8(parse(text).body)).toBe("héé😀");
  });

  it("writes text that cannot be bytes as UTF-8", () => {
    const text = buildRequest({ method: "MESSAGE", uri: "sip:c@d", headers: [...base, ["Subject", "жaba"]] });
    expect(bytesToUtf8(parse(text).header("subject") ?? "")).toBe("жaba");
  });

  it.each([
    ["a value with CRLF", ["Subject", "a\r\nEvil: 1"]],
    ["a value with NUL", ["Subject", "a\0"]],
    ["a name that is no token", ["Sub ject", "a"]],
    ["a Content-Length of its own", ["l", "4"]],
  ] as const)("refuses %s with HEADER_INVALID", (_, header) => {
    expect(() => buildRequest({ method: "MESSAGE", uri: "sip:c@d", headers: [...base, header] })).toThrow(
      expect.objectContaining({ code: "HEADER_INVALID" }),
    );
  });

  it("refuses a request URI with a blank, and a reason phrase with a line end", () => {
    expect(() => buildRequest({ method: "MESSAGE", uri: "sip:c d", headers: base })).toThrow();
    const request = parse(buildRequest({ method: "MESSAGE", uri: "sip:c@d", headers: base }));
    expect(() => buildResponse(request, { status: 400, reason: "a\r\nb" })).toThrow();
  });

  it("copies Via, From, To, Call-ID and CSeq into a response, and tags To once (RFC 3261 §8.2.6)", () => {
    const headers = [
      ["Via", "SIP/2.0/UDP p;branch=z9hG4bK0"],
      ...base,
      ["Record-Route", "<sip:p;lr>"],
    ] as const;
    const request = parse(buildRequest({ method: "MESSAGE", uri: "sip:c@d", headers }));
    const ok = parse(buildResponse(request, { status: 200, toTag: "mine" }));
    expect(ok.via.map(({ host }) => host)).toEqual(["p", "h"]);
    expect(ok.to.tag).toBe("mine");
    expect(ok.recordRoutes).toHaveLength(1);
    expect(parse(buildResponse(ok, { status: 486, toTag: "other" })).to.tag).toBe("mine");
    expect(parse(buildResponse(request, { status: 404 })).recordRoutes).toEqual([]);
  });
});

describe("URIs", () => {
  it.each([
    ["sip:alice@example.com", { scheme: "sip", user: "alice", host: "example.com", port: undefined }],
    [
      "SIPS:a%20b:p%40w@Example.COM:5061;Transport=TCP;lr?subject=x",
      {
        scheme: "sips",
        user: "a b",
        password: "p@w",
        host: "example.com",
        port: 5061,
        headers: "?subject=x",
      },
    ],
    ["sip:[2001:db8::1]:5070", { host: "2001:db8::1", port: 5070, user: undefined }],
    ["sip:+15551230001@h;user=phone", { user: "+15551230001" }],
    ["sip:*99#@h", { user: "*99#" }],
    ["tel:+1-555-123;phone-context=example.com", { scheme: "tel", user: "+1-555-123", host: "" }],
    ["urn:service:sos", { scheme: "urn", opaque: "service:sos" }],
  ])("reads %s", (text, expected) => {
    expect(parseUri(text)).toMatchObject(expected);
  });

  it.each([
    "",
    "sip:",
    "sip:@h",
    "sip:a@",
    "sip:a@h:99999",
    "sip:a@h;x=1;x=2",
    "sip:a b@h",
    "sip:a@h@i",
    "sip:%zz@h",
    "tel:",
    "alice",
    "sip:a@h\r\nX: y",
    "sip:a@[::1",
  ])("refuses %j", (text) => {
    expect(parseUri(text)).toBeUndefined();
  });

  it("gives back any user, whatever its bytes", () => {
    const bytes = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), minLength: 1 });
    fc.assert(
      fc.property(bytes, (user) => {
        expect(parseUri(formatUri({ scheme: "sip", user, host: "h" }))?.user).toBe(user);
      }),
    );
  });
});

describe("addresses", () => {
  it("gives back any display name", () => {
    const name = fc.string({
      unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
    });
    fc.assert(
      fc.property(name, (displayName) => {
        const address = parseAddress(formatAddress("sip:a@b", displayName, [["tag", "x"]]));
        expect(address).toMatchObject({ displayName, uriText: "sip:a@b", tag: "x" });
      }),
    );
  });

  it("is not fooled by a URI in a display name", () => {
    expect(parseAddress('"sip:911@x" <sip:alice@h>')?.uri.user).toBe("alice");
    expect(parseAddress('"a <sip:911@x>" <sip:alice@h>')?.uri.user).toBe("alice");
  });

  it("takes the parameters of a bare URI for the header's (RFC 3261 §20.10)", () => {
    expect(parseAddress("sip:alice@h;tag=1")).toMatchObject({ tag: "1", uriText: "sip:alice@h" });
  });
});
