import { describe, expect, it } from "vitest";
import { callIdOf, legIdOf, refusalTag } from "#signaling/edge/engine/ids.ts";
import { originOf } from "#signaling/edge/engine/origin.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { readNewRequest, refusedCall, unavailable } from "./new-request.ts";

const source: Flow = { transport: "udp", host: "192.0.2.7", port: 5_071 };

const call = callIdOf("secret", "INVITE", "origin");

const invite = (
  changes: Readonly<Record<string, string>> = {},
  uri = "sip:fire-1@crossband.local",
): string => {
  const headers = {
    Via: "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKabc;rport",
    "Max-Forwards": "70",
    From: '"Alice, of 1" <sip:alice@crossband.local>;tag=a1',
    To: `<${uri}>`,
    "Call-ID": "c1@10.0.0.1",
    CSeq: "7 INVITE",
    "Content-Length": "0",
    ...changes,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `INVITE ${uri} SIP/2.0\r\n${lines.join("")}\r\n`;
};

function parsed(text: string) {
  const result = parseMessage(text);
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

describe("turning a new request away", () => {
  it("answers 503 with Retry-After, and copies what a response must", () => {
    const request = readNewRequest(invite(), source);
    const response = parsed(unavailable(request ?? expect.fail("not read"), call, 3));
    expect(response.status).toBe(503);
    expect(response.header("retry-after")).toBe("3");
    expect(response.header("reason")).toBe('SIP;cause=503;text="Overload"');
    expect(response.header("from")).toBe('"Alice, of 1" <sip:alice@crossband.local>;tag=a1');
    expect(response.callId).toBe("c1@10.0.0.1");
    expect(response.cseq).toEqual({ seq: 7, method: "INVITE" });
    expect(response.topVia).toMatchObject({ branch: "z9hG4bKabc", received: "192.0.2.7", rport: 5_071 });
  });

  it.each([
    ["a CSeq that is none", { CSeq: "%" }],
    ["another method in CSeq", { CSeq: "7 BYE" }],
    ["a NUL", { From: "<sip:alice@crossband.local>;tag=a1\0" }],
    ["a Via that is none", { via: '"\\' }],
    ["a line feed", { "Call-ID": "c1\nX: y" }],
  ])("leaves a request with %s to the parser", (_what, changes) => {
    expect(readNewRequest(invite(changes), source)).toBeUndefined();
  });

  it("names the call in its To-tag, and knows the ACK by it", () => {
    const request = readNewRequest(invite(), source);
    const { tag } = parsed(unavailable(request ?? expect.fail("not read"), call, 2)).to;
    expect(tag).toBe(refusalTag(call));
    const ack = (to: string) => `ACK sip:fire-1@crossband.local SIP/2.0\r\nTo: <sip:x@y>;tag=${to}\r\n\r\n`;
    expect(refusedCall(ack(tag ?? ""))).toBe(call);
    expect(refusedCall(ack(refusalTag(call, "abcd0001")))).toBe(call);
    expect(refusedCall(ack(legIdOf(call, 0)))).toBeUndefined();
    expect(refusedCall(ack(refusalTag(call)).replace(/^ACK/, "BYE"))).toBeUndefined();
  });

  it.each(["10.0.0.1:5062", "10.0.0.1", "[2001:db8::1]:5060", "phone.example"])(
    "names the call as the parser does, sent by %s",
    (sentBy) => {
      const text = invite({ Via: `SIP/2.0/UDP ${sentBy};branch=z9hG4bKabc;rport` });
      expect(readNewRequest(text, source)?.origin).toBe(originOf(parsed(text)));
    },
  );

  it("knows an emergency call", () => {
    expect(readNewRequest(invite({}, "urn:service:sos.fire"), source)?.emergency).toBe(true);
    expect(readNewRequest(invite(), source)?.emergency).toBe(false);
  });

  it.each([
    ["a request in a dialog", invite({ To: "<sip:fire-1@crossband.local>;tag=2p75.0" })],
    ["compact headers", invite({ i: "x" })],
    ["a folded header", invite({ Subject: "one\r\n two" })],
    ["two Call-IDs", invite({ "call-id": "other" })],
    [
      "several hops in one line",
      invite({ Via: "SIP/2.0/UDP a;branch=z9hG4bK1;rport, SIP/2.0/UDP b;branch=z9hG4bK2" }),
    ],
    ["an answer that goes elsewhere", invite({ Via: "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKabc" })],
    ["no branch", invite({ Via: "SIP/2.0/UDP 10.0.0.1:5062;rport" })],
    ["a response", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;rport\r\n\r\n"],
    ["a BYE", invite().replace(/INVITE/g, "BYE")],
    ["no end of headers", invite().slice(0, -2)],
  ])("leaves %s to the parser", (_what, text) => {
    expect(readNewRequest(text, source)).toBeUndefined();
  });
});
