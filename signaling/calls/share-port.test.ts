import { beforeEach, describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { EnginePort } from "#signaling/edge/wire/engine-port.ts";
import { fakeStep } from "#signaling/sip-port/testing/fake-step.ts";
import type { SipEvent, SipHandler } from "#signaling/sip-port/sip-port.ts";
import { sharePort } from "./share-port.ts";

let told: string[] = [];
beforeEach(() => {
  told = [];
});
const handler = (name: string): SipHandler => ({
  onEvent: (event) => Promise.resolve(void told.push(`${name} ${event.type}`)),
  onTimer: () => Promise.resolve(void told.push(`${name} timer`)),
  recover: () => Promise.resolve(void told.push(`${name} recover`)),
});
const port: EnginePort = {
  handle: () => undefined,
  begin: () => Promise.resolve(),
  perform: () => Promise.resolve([]),
  resolve: () => Promise.resolve([]),
  advertised: "127.0.0.1:5060",
  busy: false,
  close: () => Promise.resolve(),
};

function shared(attached: number): SipHandler {
  const both = sharePort(port);
  both.forApplications.handle(handler("application"));
  return both.handler(handler("calls"), () => attached);
}
function request(method: string, event = "message-summary"): SipEvent {
  const parsed = parseMessage(
    [`${method} sip:x@crossband.test SIP/2.0`, "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx", "From: <sip:a@x>;tag=1", "To: <sip:x@crossband.test>",
      "Call-ID: c", `CSeq: 1 ${method}`, "Max-Forwards: 70", "Contact: <sip:a@192.0.2.7>", `Event: ${event}`, "Content-Length: 0", "", ""].join("\r\n"),
  ); // prettier-ignore
  if (!parsed.ok) throw new Error("the test's request is malformed");
  const source = { transport: "udp", host: "192.0.2.7", port: 5060 } as const;
  return { type: "request", leg: "00.0", txn: "t", dialog: false, message: parsed.message, source };
}
const cancel: SipEvent = { type: "cancel", leg: "00.0", txn: "t" };

describe("a SIP server shared with drachtio applications", () => {
  it.each([
    ["a call that begins", request("INVITE"), undefined, "calls request"],
    ["a method that call control does not serve", request("NOTIFY"), undefined, "application request"],
    ["an event package that call control has not", request("SUBSCRIBE"), undefined, "application request"],
    ["an event package that call control has", request("SUBSCRIBE", "presence"), undefined, "calls request"],
    ["a state that call control keeps", request("PUBLISH", "presence"), undefined, "calls request"],
    ["what follows in a call of call control", cancel, { kind: "group" }, "calls cancel"],
    ["what follows in a call of an application", cancel, { pending: {} }, "application cancel"],
    ["an answer to a request that left no record", cancel, undefined, "application cancel"],
  ])("gives %s to whom it belongs", async (_title, event, record, expected) => {
    await shared(1).onEvent(event, fakeStep(undefined, record));
    expect(told).toEqual([expected]);
  });

  it("gives everything to call control while no application is attached", async () => {
    const both = shared(0);
    await both.onEvent(request("SUBSCRIBE"), fakeStep());
    await both.onEvent(cancel, fakeStep());
    expect(told).toEqual(["calls request", "calls cancel"]);
  });

  it("gives timers and take-overs to whoever wrote the record", async () => {
    const both = shared(1);
    await both.onTimer("wire-answer", fakeStep(undefined, { pending: {} }));
    await both.recover(fakeStep(undefined, { kind: "user" }));
    expect(told).toEqual(["application timer", "calls recover"]);
  });
});
