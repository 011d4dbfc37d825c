import { describe, expect, it } from "vitest";
import { parseUri } from "#signaling/edge/message/uri.ts";
import { addresseeOf } from "./address.ts";

const own = { domain: "crossband.local", addresses: new Set(["127.0.0.1", "::1"]) };

describe("whom a request-URI names", () => {
  it.each([
    ["sip:fire-1@crossband.local", { kind: "name", name: "fire-1" }],
    ["sip:fire-1@CROSSBAND.local:5060;transport=tcp", { kind: "name", name: "fire-1" }],
    ["sips:fire-1@127.0.0.1", { kind: "name", name: "fire-1" }],
    ["sip:fire-1@[::1]:5060", { kind: "name", name: "fire-1" }],
    ["sip:%66ire-1@crossband.local", { kind: "name", name: "fire-1" }],
    ["sip:+15551230001@crossband.local", { kind: "number", number: "+15551230001" }],
    ["sip:+1-555-123.0001@crossband.local;user=phone", { kind: "number", number: "+15551230001" }],
    ["tel:+1-555-123-0001", { kind: "number", number: "+15551230001" }],
    ["sip:1001@crossband.local", { kind: "name", name: "1001" }],
    ["urn:service:sos", { kind: "emergency" }],
    ["urn:service:sos.fire", { kind: "emergency" }],
    ["urn:service:counseling", { kind: "none" }],
    ["sip:crossband.local", { kind: "domain" }],
    ["sip:fire-1@elsewhere.example", { kind: "foreign" }],
    ["sip:Fire 1@crossband.local", { kind: "none" }],
    ["sip:%00@crossband.local", { kind: "none" }],
    ["sip:FIRE-1@crossband.local", { kind: "none" }],
    ["http://crossband.local/", { kind: "none" }],
    ["tel:911", { kind: "number", number: "+911", local: "911" }],
    [
      "sip:0301234567@crossband.local;user=phone",
      { kind: "number", number: "+0301234567", local: "0301234567" },
    ],
    ["tel:1234567;phone-context=+4930", { kind: "number", number: "+49301234567" }],
    ["tel:1234567;phone-context=example.com", { kind: "number", number: "+1234567", local: "1234567" }],
  ])("%s", (text, addressee) => {
    expect(addresseeOf(parseUri(text), own)).toEqual(addressee);
  });
});
