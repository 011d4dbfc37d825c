import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import {
  dialogOfRequest,
  dialogOfResponse,
  identityOf,
  refuseRequest,
  routeOf,
  withoutTag,
  type DialogRecord,
} from "./dialog.ts";
import { nextHop } from "./next-hop.ts";

const flow: Flow = { transport: "udp", host: "203.0.113.5", port: 5060 };
const parse = (start: string, seq: string, extra = "", to = "<sip:b@h>;tag=bt") => {
  const parsed = parseMessage(
    `${start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: "A" <sip:a@h>;tag=at\r\nTo: ${to}\r\nCall-ID: c1\r\nCSeq: ${seq}\r\n${extra}Content-Length: 0\r\n\r\n`,
  );
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const early: DialogRecord = {
  state: "early",
  callId: "c1",
  local: "<sip:a@h>",
  remote: "<sip:b@h>",
  localSeq: 1,
  routes: [],
  flow,
};

describe("a dialog from a request (RFC 3261 §12.1.1)", () => {
  const invite = parse(
    "INVITE sip:b@h SIP/2.0",
    "7 INVITE",
    "Contact: <sip:a@10.0.0.1>\r\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\r\n",
    "<sip:b@h>",
  );
  const dialog = dialogOfRequest(invite, flow);

  it("keeps the route set in order, the target, and the peer's CSeq", () => {
    expect(dialog).toMatchObject({
      routes: ["<sip:p1;lr>", "<sip:p2;lr>"],
      target: "sip:a@10.0.0.1",
      remoteSeq: 7,
      remoteTag: "at",
    });
  });

  it("turns From and To around", () => {
    expect(identityOf(dialog, "leg")).toEqual({ from: "<sip:b@h>;tag=leg", to: '"A" <sip:a@h>;tag=at' });
  });

  // prettier-ignore
  it.each<[title: string, request: ReturnType<typeof parse>, refusal: 481 | 500 | undefined]>([
    ["accepts the next request", parse("BYE sip:b@h SIP/2.0", "8 BYE"), undefined],
    ["accepts a gap in CSeq (§12.2.2)", parse("BYE sip:b@h SIP/2.0", "99 BYE"), undefined],
    ["refuses a CSeq that goes back", parse("INFO sip:b@h SIP/2.0", "6 INFO"), 500],
    ["refuses a CSeq that was used", parse("INFO sip:b@h SIP/2.0", "7 INFO"), 500],
  ])("%s", (_title, request, refusal) => {
    expect(refuseRequest(dialog, request)).toBe(refusal);
  });

  it("knows nothing of a request once it has ended", () => {
    expect(refuseRequest({ ...dialog, state: "ended" }, parse("BYE sip:b@h SIP/2.0", "8 BYE"))).toBe(481);
  });
});

describe("a dialog from a response (§12.1.2)", () => {
  const ok = parse(
    "SIP/2.0 200 OK",
    "1 INVITE",
    "Contact: <sip:b@10.0.0.2>\r\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\r\n",
  );

  it("reverses the route set and takes tag and target", () => {
    expect(dialogOfResponse(early, ok)).toMatchObject({
      state: "confirmed",
      routes: ["<sip:p2;lr>", "<sip:p1;lr>"],
      remoteTag: "bt",
      target: "sip:b@10.0.0.2",
    });
  });

  it("stays as it is at a provisional response without tag", () => {
    expect(dialogOfResponse(early, parse("SIP/2.0 180 Ringing", "1 INVITE", "", "<sip:b@h>"))).toBe(early);
  });

  it("keeps its route set at a later 2xx, and takes the new target (§12.2.1.2)", () => {
    const confirmed = dialogOfResponse(early, ok);
    const later = parse("SIP/2.0 200 OK", "2 INVITE", "Contact: <sip:b@10.0.0.3>\r\n");
    expect(dialogOfResponse(confirmed, later)).toEqual({ ...confirmed, target: "sip:b@10.0.0.3" });
  });
});

describe("where a request in the dialog goes (§12.2.1.1)", () => {
  const confirmed = { ...early, target: "sip:b@10.0.0.2" };

  it("is the target without a route set", () => {
    expect(routeOf(confirmed)).toEqual({ uri: "sip:b@10.0.0.2", routes: [], hop: "sip:b@10.0.0.2" });
  });

  it("is the first loose router, with the target as Request-URI", () => {
    const routes = ["<sip:p1;lr>", "<sip:p2;lr>"];
    expect(routeOf({ ...confirmed, routes })).toEqual({ uri: "sip:b@10.0.0.2", routes, hop: "sip:p1;lr" });
  });

  it("is the first strict router, which becomes the Request-URI", () => {
    expect(routeOf({ ...confirmed, routes: ["<sip:p1>", "<sip:p2;lr>"] })).toEqual({
      uri: "sip:p1",
      routes: ["<sip:p2;lr>", "<sip:b@10.0.0.2>"],
      hop: "sip:p1",
    });
  });
});

describe("next hop", () => {
  const socket: Flow = {
    transport: "ws",
    host: "203.0.113.5",
    port: 40_000,
    instance: "one",
    connection: "7",
  };
  // prettier-ignore
  it.each<[title: string, uri: string, peer: Flow | undefined, hop: ReturnType<typeof nextHop>]>([
    ["an address", "sip:b@198.51.100.7:5070", flow, { flow: { transport: "udp", host: "198.51.100.7", port: 5070 } }],
    ["an address by TCP", "sip:b@198.51.100.7;transport=TCP", undefined, { flow: { transport: "tcp", host: "198.51.100.7", port: 5060 } }],
    ["sips is TLS", "sips:b@198.51.100.7", undefined, { flow: { transport: "tls", host: "198.51.100.7", port: 5061 } }],
    ["IPv6", "sip:b@[2001:db8::1]", undefined, { flow: { transport: "udp", host: "2001:db8::1", port: 5060 } }],
    ["a socket that only the peer can open", "sip:x@abc.invalid;transport=ws", socket, { flow: socket }],
    ["a private address behind a translator", "sip:b@192.168.1.7", flow, { flow }],
    ["a private address in the same network", "sip:b@203.0.113.5:5080", flow, { flow: { transport: "udp", host: "203.0.113.5", port: 5080 } }],
    ["a contact that asks for its flow (ob)", "sip:b@203.0.113.5:5080;ob", flow, { flow }],
    ["a scheme that is none of SIP's, towards a known peer", "tel:+15551230001", flow, { flow }],
    ["a scheme that is none of SIP's, towards nobody", "tel:+15551230001", undefined, undefined],
    ["an address of TLS whose name was proved before", "sip:b@203.0.113.5:5061;transport=tls", { ...flow, transport: "tls", name: "carrier.example" }, { flow: { transport: "tls", host: "203.0.113.5", port: 5061, name: "carrier.example" } }],
    ["another address of TLS", "sip:b@203.0.113.6;transport=tls", { ...flow, transport: "tls", name: "carrier.example" }, { flow: { transport: "tls", host: "203.0.113.6", port: 5061 } }],
    ["rubbish", "::::", undefined, undefined],
  ])("of %s", (_title, uri, peer, hop) => {
    expect(nextHop(uri, peer)).toEqual(hop);
  });

  it("of a name is looked up", () => {
    expect(nextHop("sip:b@example.org", flow)).toMatchObject({ uri: { host: "example.org" } });
  });
});

describe("an address header without its tag", () => {
  it.each([
    ["<sip:a@h>;tag=1", "<sip:a@h>"],
    ['"A;tag=9" <sip:a@h;tag=x>;tag=1;x=y', '"A;tag=9" <sip:a@h;tag=x>;x=y'],
    ["sip:a@h;tag=1", "sip:a@h"],
    ["<sip:a@h> ; TAG = 1", "<sip:a@h>"],
  ])("%s → %s", (value, without) => {
    expect(withoutTag(value)).toBe(without);
  });
});
