import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadSipFixture } from "#test/fixtures/sip/load-sip-fixture.ts";
import { buildResponse } from "./build.ts";
import { DEFAULT_LIMITS, parseMessage, type ParseOptions } from "./parse.ts";

const invite = (extra = "", body = "") =>
  `INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: id\r\nCSeq: 1 INVITE\r\n${extra}\r\n${body}`;

function accept(text: string, options?: ParseOptions) {
  const result = parseMessage(text, options);
  if (!result.ok) throw new Error(`${result.status} ${result.reason}`);
  return result.message;
}

describe("headers", () => {
  it("finds a header by any spelling, long or compact", () => {
    const message = accept(invite("k: timer, 100rel\r\nSUPPORTED:replaces\r\nx: 90;refresher=uac\r\n"));
    expect(message.headers("Supported")).toEqual(["timer", "100rel", "replaces"]);
    expect(message.header("session-expires")).toBe("90;refresher=uac");
    expect(message.supports("100rel")).toBe(true);
  });

  it("does not split what is no list, nor inside quotes and brackets", () => {
    const message = accept(
      invite('Subject: a, b\r\nContact: "x, y" <sip:a@b;p="1,2">;q=1, <sip:c@d>\r\n').replace(';p="1,2"', ""),
    );
    expect(message.headers("Subject")).toEqual(["a, b"]);
    expect(message.contacts.map(({ displayName, uriText }) => [displayName, uriText])).toEqual([
      ["x, y", "sip:a@b"],
      ["", "sip:c@d"],
    ]);
  });

  it("gives the bytes of a body as characters, so that nothing is lost", () => {
    const body = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
    expect(accept(invite(`l: ${body.length}\r\n`, body)).body).toBe(body);
  });

  it("knows Contact: *", () => {
    const message = accept(invite("Contact: *\r\n"));
    expect(message.contactIsWildcard).toBe(true);
    expect(message.contacts).toEqual([]);
  });

  it.each([
    "Contact: *, <sip:a@b>\r\n",
    "Contact: <sip:a@b\r\n",
    "Route: sip:\r\n",
    "Max-Forwards: -1\r\n",
    "A b: c\r\n",
    ": c\r\n",
    "Foo\r\n",
    "X: a\nY: b\r\n",
    "X: a\rb\r\n",
  ])("refuses %j with 400", (extra) => {
    expect(parseMessage(invite(extra))).toMatchObject({ ok: false, status: 400 });
  });
});

describe("limits", () => {
  it.each([
    ["too many headers", invite("X: 1\r\n".repeat(300)), 513],
    ["a header line too long", invite(`X: ${"x".repeat(9_000)}\r\n`), 513],
    ["a start line too long", invite().replace("sip:bob", `sip:${"b".repeat(9_000)}`), 414],
    ["too many Via", invite(`Via: ${Array(71).fill("SIP/2.0/UDP h;branch=z9hG4bK2").join(",")}\r\n`), 400],
    ["too many bytes", invite("", "x".repeat(65_535)), 513],
  ])("refuses %s", (_, text, status) => {
    expect(parseMessage(text)).toMatchObject({ ok: false, status });
  });
});

describe("Content-Length (RFC 3261 §18.3)", () => {
  it("is optional in a datagram and required on a stream", () => {
    expect(accept(invite("", "body")).body).toBe("body");
    expect(parseMessage(invite("", "body"), { stream: true })).toMatchObject({
      reason: "Missing Content-Length",
    });
  });

  it("cuts what is too much off a datagram", () => {
    expect(accept(invite("l: 2\r\n", "body")).body).toBe("bo");
  });
});

describe("source of a request (RFC 3261 §18.2.1, RFC 3581)", () => {
  const via = (value: string, host: string) =>
    accept(invite().replace(/^Via.*$/m, `Via: ${value}`), { source: { host, port: 6000 } }).header("via");

  it.each([
    ["SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "192.0.2.1", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"],
    ["SIP/2.0/UDP h;branch=z9hG4bK1", "192.0.2.1", "SIP/2.0/UDP h;branch=z9hG4bK1;received=192.0.2.1"],
    [
      "SIP/2.0/UDP h;rport;branch=z9hG4bK1",
      "192.0.2.1",
      "SIP/2.0/UDP h;branch=z9hG4bK1;received=192.0.2.1;rport=6000",
    ],
    [
      "SIP/2.0/UDP h;received=9.9.9.9;rport=1, SIP/2.0/UDP i;rport",
      "192.0.2.1",
      "SIP/2.0/UDP h;received=192.0.2.1;rport=6000, SIP/2.0/UDP i;rport",
    ],
  ])("%s from %s", (value, host, expected) => {
    expect(via(value, host)).toBe(expected);
  });

  it("leaves every other header and the body as they were", () => {
    const text = invite("Subject: s\r\nl: 4\r\n", "body-and-more").replace("branch=", "rport;branch=");
    const message = accept(text, { source: { host: "192.0.2.9", port: 7 } });
    expect(message.topVia).toMatchObject({ received: "192.0.2.9", rport: 7, branch: "z9hG4bK1" });
    expect([message.header("subject"), message.callId, message.body]).toEqual(["s", "id", "body"]);
    expect(accept(message.text).headerLines()).toEqual(message.headerLines());
  });
});

describe("any input", () => {
  const seeds = readdirSync(new URL("../../../test/fixtures/sip/rfc4475/", import.meta.url)).map((file) =>
    loadSipFixture(`rfc4475/${file.replace(/\.sip$/, "")}`),
  );
  const pieces = fc.constantFrom(
    "\r\n",
    "\r",
    "\n",
    "\0",
    ";",
    ",",
    '"',
    "<",
    ">",
    "\\",
    ":",
    "=",
    "@",
    "[",
    " ",
    "\t",
    "%",
    "tag",
    "Via",
    "é",
  );
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(3_000), fc.nat(20), pieces), { maxLength: 6 }))
    .map(([seed, edits]) =>
      edits.reduce(
        (text, [at, cut, piece]) =>
          text.slice(0, at % text.length) + piece + text.slice((at % text.length) + cut),
        seed,
      ),
    );
  const anything = fc.oneof(
    mutated,
    fc.string({ unit: "binary", maxLength: 400 }),
    mutated.map((text) => text.slice(0, text.length / 2)),
  );

  it("is read or refused, never thrown at the socket, and what is read can be answered", () => {
    fc.assert(
      fc.property(anything, fc.boolean(), (text, stream) => {
        const result = parseMessage(text, { stream, source: { host: "192.0.2.1", port: 5060 } });
        if (!result.ok) {
          expect(result.status).toBeGreaterThanOrEqual(400);
          return;
        }
        const { message } = result;
        expect(message.firstMalformed()).toBeUndefined();
        expect(message.via.length).toBeGreaterThan(0);
        if (message.kind === "response") return;
        const response = parseMessage(buildResponse(message, { status: 400, toTag: "t" }));
        expect(response.ok).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ["open quotes", `From: ${'"\\'.repeat(4_000)}`],
    ["commas", `Via: ${",".repeat(8_000)}`],
    ["semicolons", `To: <sip:a@b>${";".repeat(8_000)}`],
    ["blanks", `Contact: ${" ".repeat(8_000)}x`],
    ["at signs", `Route: <sip:${"@".repeat(8_000)}>`],
    ["percents", `Route: <sip:${"%4".repeat(4_000)}@b>`],
    ["nested brackets", `Record-Route: ${"<".repeat(8_000)}`],
    ["names", `Contact: ${"a ".repeat(4_000)}`],
    ["folds", `Subject: x${"\r\n ".repeat(2_000)}`],
  ])("full of %s takes time that is linear in its length", (_, header) => {
    const text = invite(`${header}\r\n`.repeat(7));
    const limits = { ...DEFAULT_LIMITS, maxLineBytes: 65_535 };
    const startedMs = performance.now();
    parseMessage(text, { limits });
    // 56 kB at even 1 µs a byte; anything quadratic takes seconds.
    expect(performance.now() - startedMs).toBeLessThan(300);
  });

  it("refuses a NUL in the headers, but not in a quoted pair", () => {
    const text = (to: string): string =>
      `OPTIONS sip:a@x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: ${to}\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n`;
    expect(parseMessage(text("<sip:a@x>;tag=1,\0"))).toMatchObject({ ok: false, status: 400 });
    expect(parseMessage(text('"\\\0" <sip:a@x>')).ok).toBe(true);
  });

  describe("what is written into the top Via", () => {
    const source = { host: "192.0.2.7", port: 5071 };
    const stamped = (via: string) => {
      const text = `OPTIONS sip:a@x SIP/2.0\r\nVia: ${via}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n`;
      const result = parseMessage(text, { source });
      return result.ok ? result.message : expect.fail(result.reason);
    };

    it.each([
      'SIP/2.0/UDP h;branch=z9hG4bK1;x="a;received=b"',
      'SIP/2.0/UDP h;rport;x="a;rport=1;y";branch=z9hG4bK1',
      'SIP/2.0/UDP h;x="\\";rport=\\"";branch=z9hG4bK1;rport',
    ])("leaves quoted parameters alone: %s", (via) => {
      const message = stamped(via);
      expect(message.topVia).toMatchObject({ branch: "z9hG4bK1", received: "192.0.2.7" });
      expect(message.header("via")).toContain(/"(?:[^"\\]|\\.)*"/.exec(via)?.[0]);
    });

    it("replaces what the sender wrote of it", () => {
      const via = stamped("SIP/2.0/UDP h;received=1.2.3.4;branch=z9hG4bK1;rport=9").topVia;
      expect(via).toMatchObject({ received: "192.0.2.7", rport: 5071 });
    });
  });

  it("takes no vertical tab for the space in Via", () => {
    expect(
      parseMessage(
        "OPTIONS sip:a@x SIP/2.0\r\nVia: SIP/2.0\v/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n",
      ),
    ).toMatchObject({ ok: false, reason: "Bad Via" });
  });

  it("takes no form feed for the space in CSeq", () => {
    expect(
      parseMessage(
        "OPTIONS sip:a@x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: 1\r\nCSeq: 1 \fOPTIONS\r\n\r\n",
      ),
    ).toMatchObject({ ok: false, reason: "Bad CSeq" });
  });
});
