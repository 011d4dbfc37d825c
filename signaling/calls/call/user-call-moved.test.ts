import { describe, expect, it } from "vitest";
import type { Member } from "#common/media-control.ts";
import { describeEffects } from "#signaling/calls/testing/describe-effects.ts";
import type { CallEvent, Destination } from "./call-event.ts";
import { startUserCall } from "./user-call-setup.ts";
import { stepUserCall } from "./user-call.machine.ts";
import type { UserCall } from "./user-call.ts";

const caller: Member = { id: "alice", name: "Alice", kind: "phone", priority: 5 };
const call = "00aaaaaaaaaaaaaaaaaaaaaa";
const [A, B] = [`${call}.0`, `${call}.1`] as const;
const atMs = 3_000;
const contact: Destination = {
  uri: "sip:bob@desk", key: "desk", expiresAtMs: 9, webrtc: false, flow: { transport: "udp", host: "192.0.2.9", port: 5060 },
}; // prettier-ignore
const at = (port: number): string => `m=audio ${port} RTP/AVP 0\r\n`;

const after = (state: UserCall, ...events: CallEvent[]): UserCall =>
  events.reduce((now, event) => stepUserCall(now, event)?.state ?? now, state);
const response = (leg: string, status: number, sdp?: string): CallEvent => ({
  type: "response", leg, method: "INVITE", status, local: false, sdp, atMs,
}); // prettier-ignore
const offer = (leg: string, method: "INVITE" | "UPDATE" = "INVITE"): CallEvent => ({
  type: "offer", method, leg, txn: `change-${leg.slice(-1)}`, sdp: at(9), atMs,
}); // prettier-ignore
const moved = (leg: string): CallEvent => ({ type: "moved", leg, sdp: at(41_002), stood: at(40_000), atMs });
const again: CallEvent = { type: "timer", timer: "glare", atMs };

const answered = after(
  startUserCall(call, {
    type: "user-invite", leg: A, txn: "invite", caller, webrtc: false, sdp: at(40_000), callee: { id: "bob", name: "Bob", priority: 5 },
    from: "<sip:alice@x>", to: "<sip:bob@x>", destinations: [contact], ringMs: 60_000, atMs: 1_000,
  }).state,
  response(B, 200, at(41_000)),
); // prettier-ignore
const talking = after(answered, { type: "ack", leg: A, sdp: undefined, atMs });
const told = after(talking, moved(B));
const waiting = after(told, response(A, 491));
const back = after(told, response(A, 200, at(40_004)));
const worn = after(told, response(A, 491), again, response(A, 491), again, response(A, 491), again);

describe("media that one side has moved", () => {
  // prettier-ignore
  it.each<[title: string, from: UserCall, event: CallEvent, to: UserCall["name"], effects: string[]]>([
    ["talking --moved--> the other side is told", talking, moved(B), "talking", ["INVITE+sdp 0"]],
    ["talking --moved by the caller--> so is the callee", talking, moved(A), "talking", ["INVITE+sdp 1"]],
    ["answered, ACK awaited --moved--> told", answered, moved(B), "talking", ["INVITE+sdp 0"]],
    ["an exchange under way --moved--> it tells", after(talking, offer(A)), moved(B), "talking", []],
    ["told --180--> nothing", told, response(A, 180), "talking", []],
    ["told --200 as it stood--> acknowledged, and that is all", told, response(A, 200, at(40_000)), "talking", ["ack 0"]],
    ["told --200 elsewhere--> told back", told, response(A, 200, at(40_004)), "talking", ["ack 0", "INVITE+sdp 1"]],
    ["told back --200 elsewhere again--> that is enough", back, response(B, 200, at(41_006)), "talking", ["ack 1"]],
    ["told --488--> the call goes on", told, response(A, 488), "talking", []],
    ["told --481--> over", told, response(A, 481), "gone", ["BYE 0", "BYE 1", "record peer-lost 200 0"]],
    ["told --491--> tried again later", told, response(A, 491), "talking", ["arm glare"]],
    ["waiting --time--> told again", waiting, again, "talking", ["INVITE+sdp 0"]],
    ["told four times --491--> given up", worn, response(A, 491), "talking", []],
    ["told --offer of either side--> 491: one at a time", told, offer(A), "talking", ["491 to change-0"]],
    ["told --UPDATE--> 491", told, offer(B, "UPDATE"), "talking", ["491 to change-1"]],
    ["waiting --offer of the other side--> its answer tells", waiting, offer(A), "talking", ["disarm glare", "INVITE+sdp 1"]],
    ["waiting --offer of who moved--> it tells", waiting, offer(B), "talking", ["disarm glare", "INVITE+sdp 0"]],
    ["told --BYE--> over, and nobody is owed an answer", told, { type: "bye", leg: B, txn: "bye", atMs }, "gone", ["200 to bye", "BYE 0", "record callee-hung-up 200 0"]],
    ["over --late 200--> taken down", after(told, { type: "bye", leg: B, txn: "bye", atMs }), response(A, 200, at(1)), "gone", []],
  ])("%s", (_title, from, event, to, effects) => {
    const result = stepUserCall(from, event);
    expect(result?.state.name ?? from.name).toBe(to);
    expect(describeEffects(result?.effects ?? [])).toEqual(effects);
  });
});
