import { describe, expect, it } from "vitest";
import type { Binding } from "#state/registration/binding.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import { oneFlowEach, outboundHeaders } from "./outbound.ts";

const FLOWS = '<sip:a@h>;reg-id=1;+sip.instance="<urn:uuid:1>"';
function register(contact: string, supported = "outbound, path", vias = 1) {
  const via = "Via: SIP/2.0/TCP h;branch=z9hG4bK1\r\n".repeat(vias);
  const parsed = parseMessage(
    `REGISTER sip:h SIP/2.0\r\n${via}From: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nSupported: ${supported}\r\nContact: ${contact}\r\nContent-Length: 0\r\n\r\n`,
  );
  if (!parsed.ok) throw new Error(parsed.reason);
  return outboundHeaders(parsed.message, 90);
}

describe("the 200 to a REGISTER of a client that keeps flows (RFC 5626 §6)", () => {
  it("requires outbound and names the keepalive time", () => {
    expect(register(FLOWS)).toEqual([
      ["Require", "outbound"],
      ["Flow-Timer", "90"],
    ]);
  });

  // prettier-ignore
  it.each<[title: string, headers: ReturnType<typeof register>]>([
    ["does not support it", register(FLOWS, "path")],
    ["names no flow", register('<sip:a@h>;+sip.instance="<urn:uuid:1>"')],
    ["names no device", register("<sip:a@h>;reg-id=1")],
    ["comes through somebody else's proxy", register(FLOWS, "outbound", 2)],
  ])("says nothing of it to one that %s", (_title, headers) => {
    expect(headers).toEqual([]);
  });
});

describe("flows that ring", () => {
  const binding = (key: string, instanceId?: string, regId?: number): Binding => ({
    key, uri: "sip:a@h", q: 1_000, flow: { transport: "tcp", host: "h", port: 1 }, expiresAtMs: 1, callId: "c1", expiresInS: 1,
    ...(instanceId !== undefined && { instanceId }), ...(regId !== undefined && { regId }),
  }); // prettier-ignore

  it("are one of each device, the preferred one, and every contact that is no flow", () => {
    const list = [
      binding("a1", "<a>", 1),
      binding("b2", "<b>", 2),
      binding("a2", "<a>", 2),
      binding("c"),
      binding("d"),
    ];
    expect(oneFlowEach(list).map(({ key }) => key)).toEqual(["a1", "b2", "c", "d"]);
  });
});
