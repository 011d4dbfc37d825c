import { describe, expect, it } from "vitest";
import type { CallEvent, Destination } from "#signaling/calls/call/call-event.ts";
import { describeEffects } from "#signaling/calls/testing/describe-effects.ts";
import { startMessageRelay, stepMessageRelay } from "./message-relay.machine.ts";

const call = "00aaaaaaaaaaaaaaaaaaaaaa";
const contact = (key: string): Destination => ({
  uri: `sip:bob@${key}`,
  key,
  expiresAtMs: 9,
  webrtc: false,
  flow: { transport: "udp", host: "192.0.2.9", port: 5060 },
});
const start = startMessageRelay(call, "text", [contact("desk"), contact("mobile")], {
  from: "<a>",
  to: "<b>",
  body: "hello",
  contentType: "text/plain",
});
const response = (leg: number, status: number, local = false): CallEvent => ({
  type: "response",
  leg: `${call}.${leg}`,
  method: "MESSAGE",
  status,
  local,
  sdp: undefined,
  atMs: 1,
});

/** Plays responses and tells the answer that the sender gets. */
const play = (...events: CallEvent[]): string[] => {
  let { state } = start;
  return events.flatMap((event) => {
    const result = stepMessageRelay(state, event);
    if (!result) return [];
    state = result.state;
    return describeEffects(result.effects);
  });
};

describe("a text to a user (RFC 3428 §7)", () => {
  it("goes to every contact", () => {
    expect(describeEffects(start.effects)).toEqual(["MESSAGE+body 1", "MESSAGE+body 2"]);
  });
  it.each([
    ["is answered by the first that takes it", [response(1, 200), response(2, 200)], ["200 to text"]],
    ["waits for the others when one refuses", [response(1, 486)], []],
    ["is taken although one refused", [response(1, 486), response(2, 202)], ["202 to text"]],
    [
      "is refused with the best refusal when all refuse",
      [response(1, 415), response(2, 480)],
      ["415 to text"],
    ],
    ["is told 480 when nobody is there", [response(1, 408, true), response(2, 503, true)], ["480 to text"]],
    ["counts a contact once", [response(1, 480), response(1, 480)], []],
    ["is not answered by a provisional response", [response(1, 100)], []],
  ])("%s", (_title, events, answer) => {
    expect(play(...events)).toEqual(answer);
  });
});
