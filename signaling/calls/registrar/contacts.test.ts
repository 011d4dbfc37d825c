import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { changesOf, contactLine, MIN_EXPIRES_S } from "./contacts.ts";

const flow: Flow = { transport: "udp", host: "192.0.2.7", port: 5070 };

function ask(...lines: string[]) {
  const parsed = parseMessage(
    ["REGISTER sip:crossband.test SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKx", "From: <sip:a@crossband.test>;tag=1",
      "To: <sip:a@crossband.test>", "Call-ID: c", "CSeq: 1 REGISTER", "Max-Forwards: 70", ...lines, "Content-Length: 0", "", ""].join("\r\n"),
  ); // prettier-ignore
  if (!parsed.ok) throw new Error("the test's REGISTER is malformed");
  return changesOf(parsed.message, flow, 3_600);
}

describe("what a REGISTER asks for (RFC 3261 §10.2)", () => {
  it("takes the contact's own expiry before the Expires header, before the longest there is", () => {
    const expiry = (...lines: string[]) => {
      const asked = ask(...lines);
      return "changes" in asked && asked.changes !== "all"
        ? asked.changes.map(({ seconds }) => seconds)
        : asked;
    };
    expect(expiry("Contact: <sip:a@192.0.2.7>;expires=120", "Expires: 600")).toEqual([120]);
    expect(expiry("Contact: <sip:a@192.0.2.7>", "Expires: 600")).toEqual([600]);
    expect(expiry("Contact: <sip:a@192.0.2.7>")).toEqual([3_600]);
    expect(expiry("Contact: <sip:a@192.0.2.7>;expires=99999")).toEqual([3_600]);
    expect(expiry("Contact: <sip:a@192.0.2.7>;expires=soon")).toEqual([3_600]);
    expect(expiry("Contact: <sip:a@192.0.2.7>;expires=0, <sip:b@192.0.2.8>;expires=60")).toEqual([0, 60]);
  });

  it("keeps preference, device, user agent and the flow it came by", () => {
    const asked = ask(
      'Contact: <sip:a@192.0.2.7:5070>;q=0.7;+sip.instance="<urn:uuid:1>";reg-id=2',
      "User-Agent: Phone 1.0",
    );
    expect(asked).toMatchObject({
      changes: [
        {
          key: "<urn:uuid:1>|2",
          contact: {
            uri: "sip:a@192.0.2.7:5070",
            q: 700,
            flow,
            userAgent: "Phone 1.0",
            instanceId: "<urn:uuid:1>",
            regId: 2,
          },
        },
      ],
    });
  });

  it("names a contact by where it is, so that a parameter more does not make two of it", () => {
    const key = (uri: string) => {
      const asked = ask(`Contact: <${uri}>`);
      return "changes" in asked && asked.changes !== "all" ? asked.changes[0]?.key : undefined;
    };
    expect(key("sip:a@192.0.2.7:5070;ob")).toBe(key("sip:a@192.0.2.7:5070"));
    expect(key("sip:a@192.0.2.7:5070;transport=TCP")).not.toBe(key("sip:a@192.0.2.7:5070"));
    expect(key("sip:a@192.0.2.7:5071")).not.toBe(key("sip:a@192.0.2.7:5070"));
  });

  it.each([
    ["only reads without a contact", [], { changes: [] }],
    ["removes all with the wildcard and expiry 0", ["Contact: *", "Expires: 0"], { changes: "all" }],
    ["refuses the wildcard with another expiry", ["Contact: *", "Expires: 60"], { status: 400 }],
    ["refuses the wildcard without expiry", ["Contact: *"], { status: 400 }],
    ["refuses too short an expiry", [`Contact: <sip:a@x>;expires=${MIN_EXPIRES_S - 1}`], { status: 423 }],
    ["refuses a preference that is none", ["Contact: <sip:a@x>;q=2"], { status: 400 }],
    ["refuses a contact that cannot be called", ["Contact: <mailto:a@x.example>"], { status: 400 }],
    ["refuses an endless contact", [`Contact: <sip:${"a".repeat(600)}@x>`], { status: 400 }],
    [
      "refuses more contacts than a user may have",
      [`Contact: ${Array.from({ length: 11 }, (_, i) => `<sip:a${i}@x>`).join(", ")}`],
      { status: 403 },
    ],
  ])("%s", (_title, lines, expected) => {
    expect(ask(...lines)).toMatchObject(expected);
  });

  it("answers with the contact as it was written, and the seconds left", () => {
    const line = contactLine({
      key: "k",
      callId: "c1",
      uri: "sip:a@x;ob",
      q: 700,
      flow,
      instanceId: "<urn:uuid:1>",
      regId: 2,
      expiresAtMs: 0,
      expiresInS: 59,
    });
    expect(line).toBe('<sip:a@x;ob>;expires=59;q=0.7;+sip.instance="<urn:uuid:1>";reg-id=2');
  });
});
