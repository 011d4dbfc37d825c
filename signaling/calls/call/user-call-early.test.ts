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

const contact = (key: string, webrtc = false): Destination => ({
  uri: `sip:bob@${key}`, key, expiresAtMs: 9, webrtc, flow: { transport: "udp", host: "192.0.2.9", port: 5060 },
}); // prettier-ignore
const start = (sdp: string | undefined, destinations = [contact("desk")], reliable = true) =>
  startUserCall(call, {
    type: "user-invite", leg: A, txn: "invite", caller, webrtc: false, sdp, callee: { id: "bob", name: "Bob", priority: 5 },
    from: "<sip:alice@x>", to: "<sip:bob@x>", destinations, ringMs: 60_000, atMs: 1_000, reliable,
  }); // prettier-ignore
const after = (state: UserCall, ...events: CallEvent[]): UserCall =>
  events.reduce((at, event) => stepUserCall(at, event)?.state ?? at, state);
const response = (leg: string, status: number, sdp?: string, method = "INVITE"): CallEvent => ({
  type: "response", leg, method, status, local: false, sdp, atMs: 2_000,
}); // prettier-ignore
const reliable = (leg: string, status: number, sdp?: string): CallEvent => ({
  type: "response", leg, method: "INVITE", status, local: false, sdp, atMs, reliable: { rack: `${status} 1 INVITE`, early: "t" },
}); // prettier-ignore
const prack = (sdp?: string): CallEvent => ({ type: "prack", leg: A, txn: "prack", sdp, atMs });
const noPrack: CallEvent = { type: "prack-timeout", leg: A, txn: "invite", atMs };
const cancel: CallEvent = { type: "cancel", leg: A, txn: "invite", atMs };
const ack = (sdp?: string): CallEvent => ({ type: "ack", leg: A, sdp, atMs });

type Row = [title: string, from: UserCall, event: CallEvent, to: UserCall["name"], effects: string[]];
const check = (_title: string, from: UserCall, event: CallEvent, to: UserCall["name"], effects: string[]) => {
  const result = stepUserCall(from, event);
  expect(result?.state.name).toBe(to);
  expect(describeEffects(result?.effects ?? [])).toEqual(effects);
};
const optionsOf = (effects: ReturnType<typeof start>["effects"]) =>
  effects.flatMap((effect) =>
    effect.do === "sip" && effect.command.type === "request"
      ? (effect.command.headers ?? []).filter(([name]) => name === "Supported").map(([, value]) => value)
      : [],
  );

describe("reliable provisional responses between users (RFC 3262)", () => {
  const one = start("o").state;
  const told = after(one, reliable(B, 183, "e"));
  const twice = after(told, reliable(B, 180));
  const offering = after(told, prack("o2"));
  const agreed = after(told, prack());
  const bare = start(undefined).state;
  const bareAgreed = after(bare, reliable(B, 183, "o"), prack("a"));
  const plain = start("o", undefined, false).state;
  const several = start("o", [contact("desk"), contact("mobile")]).state;
  const answered = after(told, response(B, 200));

  // prettier-ignore
  const rows: Row[] = [
    ["calling --reliable 183 with media--> passed on reliably, its PRACK waits for the caller's", one, reliable(B, 183, "e"), "calling", ["183 reliably+sdp to invite"]],
    ["told --reliable 180--> passed on too: each is a response of its own", told, reliable(B, 180), "calling", ["180 reliably to invite"]],
    ["told --PRACK--> passed on", told, prack(), "calling", ["200 to prack", "prack 1"]],
    ["told twice --PRACK--> the first is acknowledged", twice, prack(), "calling", ["200 to prack", "prack 1"]],
    ["told --PRACK with an offer--> passed on, answered by the callee", told, prack("o2"), "calling", ["prack+sdp 1"]],
    ["offering --200 for the PRACK--> its answer goes back", offering, response(B, 200, "a2", "PRACK"), "calling", ["200+sdp to prack"]],
    ["offering --488 for the PRACK--> goes back", offering, response(B, 488, undefined, "PRACK"), "calling", ["488 to prack"]],
    ["offering --486--> gone, the PRACK is answered", offering, response(B, 486), "gone", ["486 to invite", "487 to prack", "record rejected 486 0", "disarm no-answer"]],
    ["offering --200--> talking, and the PRACK is still open", offering, response(B, 200), "talking", ["ack 1", "200 to invite", "disarm no-answer"]],
    ["talking --late 200 for the PRACK--> its answer goes back", after(offering, response(B, 200)), response(B, 200, "a2", "PRACK"), "talking", ["200+sdp to prack"]],
    ["agreed --200--> talking: no description is owed", agreed, response(B, 200), "talking", ["ack 1", "200 to invite", "disarm no-answer"]],
    ["without offer --reliable 183 with the callee's offer--> passed on", bare, reliable(B, 183, "o"), "calling", ["183 reliably+sdp to invite"]],
    ["agreed in the PRACK --200--> its ACK is not held", bareAgreed, response(B, 200), "talking", ["ack 1", "200 to invite", "disarm no-answer"]],
    ["caller without 100rel --reliable 183--> acknowledged here, passed on plainly", plain, reliable(B, 183, "e"), "calling", ["prack 1", "183+sdp to invite"]],
    ["several contacts --reliable 183--> acknowledged here, 180 to the caller", several, reliable(B, 183, "e"), "calling", ["prack 1", "180 to invite"]],
    ["several contacts --200 without description--> the answer that came before", after(several, reliable(B, 183, "e")), response(B, 200), "talking", ["ack 1", "200+sdp to invite", "cancel 2", "disarm no-answer"]],
    ["calling --PRACK of a 180 of our own making--> 200", several, prack(), "calling", ["200 to prack"]],
    ["calling --the same with an offer--> 488", several, prack("o2"), "calling", ["488 to prack"]],
    ["told --no PRACK--> gone; the edge has said 504", told, noPrack, "gone", ["cancel 1", "record no-prack 504 0", "disarm no-answer"]],
    ["answered --no PRACK--> gone; the 2xx never went out", answered, noPrack, "gone", ["BYE 1", "record no-prack 200 1000"]],
    ["answered --late PRACK--> 200", answered, prack(), "talking", ["200 to prack"]],
    ["told --CANCEL--> gone", told, cancel, "gone", ["cancel 1", "record cancelled 487 0", "disarm no-answer"]],
    ["agreed, answered --ACK--> talking", after(bareAgreed, response(B, 200)), ack(), "talking", []],
  ];
  it.each(rows)("%s", check);

  it("are offered to the callee when the caller can do them, and one contact alone could make an offer", () => {
    expect(optionsOf(start("o").effects)).toEqual(["100rel"]);
    expect(optionsOf(start("o", undefined, false).effects)).toEqual([]);
    expect(optionsOf(start(undefined).effects)).toEqual(["100rel"]);
    expect(optionsOf(start(undefined, [contact("desk"), contact("mobile")]).effects)).toEqual([]);
  });

  it("of a callee whose media goes through the media tier are acknowledged here, and their answer kept", () => {
    const anchored = start("o", [contact("page", true)]).state;
    const described = (leg: string, type: "answer" | "offer"): CallEvent => ({
      type: "described", leg, revision: 1, description: { type, sdp: type }, atMs,
    }); // prettier-ignore
    const ready = after(anchored, described(A, "answer"), described(B, "offer"));
    check("", ready, reliable(B, 183, "e"), "calling", ["prack 1", "180 to invite"]);
    check("", after(ready, reliable(B, 183, "e")), response(B, 200), "calling", ["ack 1", "PUT 1 r2 answer"]);
  });

  it("that the caller does not acknowledge do not pile up", () => {
    const many = Array.from({ length: 8 }, () => reliable(B, 180));
    check("", after(one, ...many), reliable(B, 180), "calling", ["prack 1"]);
  });
});
