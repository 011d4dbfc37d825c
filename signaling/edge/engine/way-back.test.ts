import { describe, expect, it } from "vitest";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { wayBackOf } from "./way-back.ts";

const leg = legIdOf(callIdOf("s", "INVITE", "key"), 0);
const lost = (transport: Flow["transport"] = "tcp", more: Partial<Flow> = {}): Flow => ({
  transport, host: "192.0.2.9", port: 40_001, instance: "one", connection: "c", ...more,
}); // prettier-ignore
const message = (start: string, headers: readonly string[], ours: "From" | "To") =>
  `${start}\r\n${headers.join("\r\n")}\r\n${ours}: <sip:a@h>;tag=${leg}\r\n${ours === "From" ? "To" : "From"}: <sip:b@h>;tag=b\r\nCall-ID: c\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n`;
const request = (uri: string, ...routes: string[]) =>
  message(`BYE ${uri} SIP/2.0`, ["Via: SIP/2.0/TCP 198.51.100.1;branch=z9hG4bKx", "Max-Forwards: 70", ...routes.map((route) => `Route: ${route}`)], "From"); // prettier-ignore
const response = (via: string) => message("SIP/2.0 200 OK", [`Via: ${via};branch=z9hG4bKx`], "To");

describe("the way of a request whose connection is gone", () => {
  it.each<[title: string, text: string, flow: Flow, hop: object]>([
    ["to its target, by the transport that it names", request("sip:b@192.0.2.9:5070"), lost(), { flow: { transport: "tcp", host: "192.0.2.9", port: 5_070 } }],
    ["to its first Route", request("sip:b@10.0.0.1", "<sip:192.0.2.20;lr;transport=tcp>"), lost(), { flow: { transport: "tcp", host: "192.0.2.20", port: 5_060 } }],
    ["to the port of TLS, and to what it proved before", request("sip:b@192.0.2.9"), lost("tls", { name: "carrier.example" }), { flow: { transport: "tls", host: "192.0.2.9", port: 5_061, name: "carrier.example" } }],
    ["to a name, by the same transport", request("sip:b@carrier.example"), lost(), { uri: { host: "carrier.example", params: new Map([["transport", "tcp"]]) } }],
  ])("leads %s", (_title, text, flow, hop) => {
    expect(wayBackOf({ flow, text, status: 0 })).toMatchObject({ leg, hop });
  }); // prettier-ignore
});

describe("the way of a response whose connection is gone (RFC 3261 §18.2.2)", () => {
  it.each<[title: string, via: string, flow: Flow, hop: object]>([
    ["the port that Via names, at the address that it came from", "SIP/2.0/TCP 10.0.0.1:5070;received=192.0.2.9", lost(), { flow: { transport: "tcp", host: "192.0.2.9", port: 5_070 } }],
    ["the default port", "SIP/2.0/TCP 192.0.2.9", lost(), { flow: { transport: "tcp", host: "192.0.2.9", port: 5_060 } }],
    ["who proves the name in Via, over TLS", "SIP/2.0/TLS sip.carrier.example", lost("tls"), { flow: { transport: "tls", host: "192.0.2.9", port: 5_061, name: "sip.carrier.example" } }],
  ])("leads to %s", (_title, via, flow, hop) => {
    expect(wayBackOf({ flow, text: response(via), status: 200 })).toEqual({ leg, hop });
  }); // prettier-ignore
});

describe("no way back", () => {
  it.each<[string, string, Flow, number]>([
    ["for datagrams", request("sip:b@192.0.2.9"), lost("udp"), 0],
    ["to a browser", request("sip:b@192.0.2.9"), lost("ws"), 0],
    ["where a connection could not be opened at all", request("sip:b@192.0.2.9"), { transport: "tcp", host: "192.0.2.9", port: 5_060 }, 0],
    ["of what is none of ours", request("sip:b@192.0.2.9").replace(leg, "x"), lost(), 0],
    ["to what is no address", request("tel:+1555"), lost(), 0],
    ["of what cannot be read", "nonsense", lost(), 200],
  ])("is there %s", (_title, text, flow, status) => {
    expect(wayBackOf({ flow, text, status })).toBeUndefined();
  }); // prettier-ignore
});
