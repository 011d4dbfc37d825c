import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { appHeader, ownAddress, parseAppMessage } from "./app-message.codec.ts";
import { decodeClientFrame } from "./client-frame.codec.ts";
import { createFrameDecoder, encodeFrame } from "./frame.codec.ts";
import { encodeRequestSent, encodeResponseSent, encodeSipFrame } from "./server-frame.codec.ts";

const peer = { protocol: "udp", address: "127.0.0.1", port: 5080 } as const;
const nowMs = Date.UTC(2026, 0, 1, 22, 5, 14, 192);

describe("framing", () => {
  it("cuts the same frames out of a stream however it is split", () => {
    const frames = fc.array(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 60 }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(500), { maxLength: 20 }), (texts, cuts) => {
        const stream = texts.map((text) => encodeFrame([text]) ?? "").join("");
        const edges = [0, ...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b), stream.length];
        const decoder = createFrameDecoder();
        const got = edges.slice(1).flatMap((to, i) => decoder.push(stream.slice(edges[i], to)) ?? []);
        expect(got).toEqual(texts);
      }),
    );
  });

  it.each(["#", "0#", "-1#x", "abc", "100000#", "123456", "GET / HTTP/1.1\r\n"])(
    "gives up on %j",
    (bytes) => {
      const decoder = createFrameDecoder();
      expect(decoder.push(bytes)).toBeUndefined();
      expect(decoder.push("1#x")).toBeUndefined();
    },
  );

  it("refuses to write a frame that no client would read", () => {
    expect(encodeFrame(["a"], "x".repeat(99_999))).toBeUndefined();
  });
});

describe("frames of applications", () => {
  it.each([
    ["u1|authenticate|cymru|", { type: "authenticate", secret: "cymru", tags: [] }],
    ["u1|authenticate|s|a,b", { type: "authenticate", tags: ["a", "b"] }],
    ["u1|route|INVITE", { type: "route", verb: "invite" }],
    ["u1|remove_route|invite", { type: "remove-route", verb: "invite" }],
    ["u1|ping", { type: "ping", id: "u1" }],
    [
      "u1|sip|txn|\r\nSIP/2.0 200 OK\r\ncseq: 1 INVITE\r\n\r\n",
      { type: "sip", txn: "txn", dialog: "", hop: "" },
    ],
    ["u1|sip||dlg\r\nBYE sip:placeholder SIP/2.0\r\n\r\n", { type: "sip", txn: "", dialog: "dlg" }],
    ["u1|sip|||sip:hop\r\nOPTIONS sip:a SIP/2.0\r\n\r\n", { type: "sip", hop: "sip:hop" }],
    ["u1|sip|txn\r\nnonsense", { type: "malformed", id: "u1" }],
    ["u1|sip|txn", { type: "malformed" }],
    ["u1|proxy|txn|||", { type: "proxy", full: false, order: { txn: "txn", targets: [] } }],
  ])("%j", (frame, expected) => {
    expect(decodeClientFrame(frame)).toMatchObject(expected);
  });

  it("has nothing to say to a frame without an id", () => {
    expect(decodeClientFrame("|ping")).toBeUndefined();
    expect(decodeClientFrame("")).toBeUndefined();
  });

  it("takes the body from the frame, not from a Content-Length that counts characters", () => {
    const message = parseAppMessage(
      "SIP/2.0 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\n123456789",
    );
    expect(message).toMatchObject({ status: 200, contentType: "text/plain", body: "123456789", headers: [] });
  });

  it("replaces a placeholder host and drops the tag of an application's From", () => {
    const message = parseAppMessage(
      'INVITE sip:b@h SIP/2.0\r\nfrom: "A" <sip:a@localhost>;tag=x;p=1\r\n\r\n',
    );
    const from = message === undefined ? "" : (appHeader(message, "from") ?? "");
    expect(ownAddress(from, "192.0.2.1:5070")).toBe('"A" <sip:a@192.0.2.1:5070>;p=1');
    expect(ownAddress("<sip:a@example.com>", "192.0.2.1:5070")).toBe("<sip:a@example.com>");
    expect(ownAddress("<sip:", "192.0.2.1:5070")).toBeUndefined();
  });
});

describe("frames for applications", () => {
  const base = { id: "u", source: "network", peer, nowMs, message: "INVITE" } as const;

  it("names transaction and dialog at the positions that clients read", () => {
    expect(encodeSipFrame({ ...base, txn: "t", dialog: "", receivedOn: "127.0.0.1:5070" })).toBe(
      "77#u|sip|network|6|udp|127.0.0.1|5080|22:05:14.192000|t||127.0.0.1|5070|\r\nINVITE",
    );
    expect(encodeSipFrame({ ...base, txn: "t", dialog: "d" })).toBe(
      "62#u|sip|network|6|udp|127.0.0.1|5080|22:05:14.192000|t|d\r\nINVITE",
    );
  });

  it("tells of a request and of a response that left", () => {
    const sent = { id: "u", to: "f", peer, nowMs, txn: "t", message: "M" };
    expect(encodeRequestSent(sent)).toContain(
      "u|response|f|OK|application|1|udp|127.0.0.1|5080|22:05:14.192000|t|Msg sent:|\r\nM",
    );
    expect(encodeResponseSent({ ...sent, dialog: "d" })).toContain("|22:05:14.192000|t|d||Msg sent:|\r\nM");
  });
});
