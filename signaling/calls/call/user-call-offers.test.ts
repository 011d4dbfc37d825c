import { describe, expect, it } from "vitest";
import type { Member } from "#common/media-control.ts";
import { describeEffects } from "#signaling/calls/testing/describe-effects.ts";
import type { CallEvent, Destination } from "./call-event.ts";
import { withoutCall } from "./call-runner.ts";
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
const start = (sdp: string | undefined, destinations = [contact]) =>
  startUserCall(call, {
    type: "user-invite", leg: A, txn: "invite", caller, webrtc: false, sdp, callee: { id: "bob", name: "Bob", priority: 5 },
    from: "<sip:alice@x>", to: "<sip:bob@x>", destinations, ringMs: 60_000, atMs: 1_000, reliable: true,
  }).state; // prettier-ignore
const after = (state: UserCall, ...events: CallEvent[]): UserCall =>
  events.reduce((at, event) => stepUserCall(at, event)?.state ?? at, state);
const response = (leg: string, status: number, sdp?: string, method = "INVITE"): CallEvent => ({
  type: "response", leg, method, status, local: false, sdp, atMs,
}); // prettier-ignore
const early = (sdp: string): CallEvent => ({
  type: "response", leg: B, method: "INVITE", status: 183, local: false, sdp, atMs, reliable: { rack: "1 1 INVITE", early: "t" },
}); // prettier-ignore
const prack = (sdp?: string): CallEvent => ({ type: "prack", leg: A, txn: "prack", sdp, atMs });
const offer = (leg: string, method: "INVITE" | "UPDATE", sdp: string | undefined = "o"): CallEvent => ({
  type: "offer", method, leg, txn: `change-${leg.slice(-1)}`, sdp, atMs,
}); // prettier-ignore
const bare = (leg: string, method: "INVITE" | "UPDATE"): CallEvent => ({
  type: "offer", method, leg, txn: `change-${leg.slice(-1)}`, sdp: undefined, atMs,
}); // prettier-ignore
const ack = (sdp?: string): CallEvent => ({ type: "ack", leg: A, sdp, atMs });
const bye = (leg: string): CallEvent => ({ type: "bye", leg, txn: "bye", atMs });
const cancel = (leg: string, txn: string): CallEvent => ({ type: "cancel", leg, txn, atMs });
const again: CallEvent = { type: "timer", timer: "glare", atMs };

type Row = [title: string, from: UserCall, event: CallEvent, to: UserCall["name"], effects: string[]];
const check = (_title: string, from: UserCall, event: CallEvent, to: UserCall["name"], effects: string[]) => {
  const result = stepUserCall(from, event);
  expect(result?.state.name).toBe(to);
  expect(describeEffects(result?.effects ?? [])).toEqual(effects);
};
const answered = after(start("o"), response(B, 200, "a"));
const talking = after(answered, ack());

describe("UPDATE before the call is answered (RFC 3311 §5)", () => {
  const calling = start("o");
  const agreed = after(calling, early("e"), prack());
  const updating = after(agreed, offer(A, "UPDATE"));
  const bareTold = after(start(undefined), early("e"));
  const several = start("o", [contact, { ...contact, key: "mobile" }]);

  // prettier-ignore
  const rows: Row[] = [
    ["agreed --UPDATE of the caller--> passed on", agreed, offer(A, "UPDATE"), "calling", ["UPDATE+sdp 1"]],
    ["agreed --UPDATE of the callee--> passed on", agreed, offer(B, "UPDATE"), "calling", ["UPDATE+sdp 0"]],
    ["agreed in a PRACK --UPDATE--> passed on", after(bareTold, prack("a"), response(B, 200, undefined, "PRACK")), offer(A, "UPDATE"), "calling", ["UPDATE+sdp 1"]],
    ["updating --200--> passed back", updating, response(B, 200, "a", "UPDATE"), "calling", ["200+sdp to change-0"]],
    ["updating --504--> passed back", updating, response(B, 504, undefined, "UPDATE"), "calling", ["504 to change-0"]],
    ["updating --UPDATE of the same side--> 500, later", updating, offer(A, "UPDATE"), "calling", ["500 to change-0"]],
    ["updating --UPDATE of the other side--> 491", updating, offer(B, "UPDATE"), "calling", ["491 to change-1"]],
    ["updating --200 for the INVITE--> talking, the UPDATE is still open", updating, response(B, 200), "talking", ["ack 1", "200 to invite", "disarm no-answer"]],
    ["talking --late 200 for the UPDATE--> passed back", after(updating, response(B, 200)), response(B, 200, "a", "UPDATE"), "talking", ["200+sdp to change-0"]],
    ["updating --486--> gone, the UPDATE is answered", updating, response(B, 486), "gone", ["486 to invite", "487 to change-0", "record rejected 486 0", "disarm no-answer"]],
    ["the caller's offer open --UPDATE of the caller--> 500, later", calling, offer(A, "UPDATE"), "calling", ["500 to change-0"]],
    ["the caller's offer open --UPDATE of the callee--> 491", calling, offer(B, "UPDATE"), "calling", ["491 to change-1"]],
    ["the callee's offer open --UPDATE of the caller--> 491", bareTold, offer(A, "UPDATE"), "calling", ["491 to change-0"]],
    ["the callee's offer open --UPDATE of the callee--> 500, later", bareTold, offer(B, "UPDATE"), "calling", ["500 to change-1"]],
    ["calling --UPDATE without offer--> 200: it changes nothing", calling, bare(A, "UPDATE"), "calling", ["200 to change-0"]],
    ["calling several --UPDATE of one--> 491", several, offer(B, "UPDATE"), "calling", ["491 to change-1"]],
    ["calling --re-INVITE of the caller--> 500, later", calling, offer(A, "INVITE"), "calling", ["500 to change-0"]],
    ["calling --INVITE of the callee--> 491", calling, offer(B, "INVITE"), "calling", ["491 to change-1"]],
  ];
  it.each(rows)("%s", check);
});

describe("glare of a re-INVITE that was passed on (RFC 3261 §14.1)", () => {
  const waiting = after(talking, offer(A, "INVITE"), response(B, 491));
  const towardsCaller = after(talking, offer(B, "INVITE"), response(A, 491));
  const retried = after(waiting, again);
  const worn = after(talking, offer(A, "INVITE"), response(B, 491), again, response(B, 491), again, response(B, 491), again); // prettier-ignore

  // prettier-ignore
  const rows: Row[] = [
    ["changing --491--> waiting, the other side is not bothered", after(talking, offer(A, "INVITE")), response(B, 491), "talking", ["arm glare"]],
    ["waiting --timer--> offered again", waiting, again, "talking", ["INVITE+sdp 1"]],
    ["retried --200--> answered", retried, response(B, 200, "a"), "talking", ["ack 1", "200+sdp to change-0"]],
    ["worn out --491--> passed back", worn, response(B, 491), "talking", ["491 to change-0"]],
    ["waiting --re-INVITE of the other side--> it goes on, ours gives way", waiting, offer(B, "INVITE"), "talking", ["disarm glare", "491 to change-0", "INVITE+sdp 0"]],
    ["waiting --UPDATE of the same side--> 500, later", waiting, offer(A, "UPDATE"), "talking", ["500 to change-0"]],
    ["waiting --CANCEL--> talking", waiting, cancel(A, "change-0"), "talking", ["disarm glare"]],
    ["waiting --BYE--> gone, the change is answered", waiting, bye(B), "gone", ["200 to bye", "487 to change-0", "disarm glare", "BYE 0", "record callee-hung-up 200 0"]],
    ["talking --timer of a change that was given up--> talking", talking, again, "talking", []],
    ["updating --491--> passed back: an UPDATE does not wait so long", after(talking, offer(A, "UPDATE")), response(B, 491, undefined, "UPDATE"), "talking", ["491 to change-0"]],
  ];
  it.each(rows)("%s", check);

  const waitOf = (state: UserCall, event: CallEvent) => {
    const [timer] = stepUserCall(state, event)?.effects ?? [];
    return timer?.do === "timer" ? (timer.atMs ?? 0) - atMs : 0;
  };
  it("waits 2.1 to 4 s towards the callee, whose Call-ID is ours, and up to 2 s towards the caller", () => {
    const waits = Array.from({ length: 200 }, (_, i): [number, number] => {
      const by = (leg: string): CallEvent => ({
        type: "offer",
        method: "INVITE",
        leg,
        txn: `t${i}`,
        sdp: "o",
        atMs,
      });
      return [
        waitOf(after(talking, by(A)), response(B, 491)),
        waitOf(after(talking, by(B)), response(A, 491)),
      ];
    });
    for (const [callee, callerSide] of waits) {
      expect(callee).toBeGreaterThanOrEqual(2_100);
      expect(callee).toBeLessThanOrEqual(4_000);
      expect(callerSide).toBeLessThanOrEqual(2_000);
      expect([callee % 10, callerSide % 10]).toEqual([0, 0]);
    }
    expect(new Set(waits.map(([callee]) => callee)).size).toBeGreaterThan(50);
    expect(waitOf(after(talking, offer(B, "INVITE")), response(A, 491))).toBeLessThanOrEqual(2_000);
    expect(towardsCaller.name).toBe("talking");
  });
});

describe("holding a call (RFC 3264 §8.4): offer and answer pass as they are, whoever holds", () => {
  const description = (direction: string, address = "192.0.2.1") =>
    `v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 ${address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=${direction}\r\n`;
  const ANSWERS: Readonly<Record<string, readonly string[]>> = {
    sendonly: ["recvonly", "inactive"],
    recvonly: ["sendonly", "inactive"],
    inactive: ["inactive"],
    sendrecv: ["sendrecv", "sendonly", "recvonly", "inactive"],
  };
  const cases = [A, B].flatMap((by) =>
    (["INVITE", "UPDATE"] as const).flatMap((method) =>
      Object.entries(ANSWERS).flatMap(([offered, answers]) =>
        answers.flatMap((answer) =>
          ["192.0.2.1", "0.0.0.0"].map((address) => ({ by, method, offered, answer, address })),
        ),
      ),
    ),
  );
  it.each(cases)(
    "$method of $by with $offered at $address, answered $answer",
    ({ by, method, offered, answer, address }) => {
      const other = by === A ? B : A;
      const asked = stepUserCall(talking, offer(by, method, description(offered, address)));
      expect(asked?.effects).toEqual([
      { do: "sip", command: { type: "in-dialog", leg: other, method, body: description(offered, address), contentType: "application/sdp" } },
    ]); // prettier-ignore
      const told = stepUserCall(asked?.state ?? talking, response(other, 200, description(answer), method));
      expect(told?.effects.at(-1)).toEqual({
      do: "sip",
      command: { type: "reply", txn: `change-${by.slice(-1)}`, status: 200, body: description(answer), contentType: "application/sdp" },
    }); // prettier-ignore
      expect(told?.state.name).toBe("talking");
    },
  );
});

describe("races of RFC 5407 §3, as the two sides of a call see them", () => {
  const held = after(start(undefined), response(B, 200, "o"));
  const changing = after(talking, offer(A, "INVITE"));
  const over = after(changing, bye(B));

  // prettier-ignore
  const rows: Row[] = [
    ["§3.1.2 CANCEL after the 2xx: the edge answers it and tells nobody; told all the same, it changes nothing", answered, cancel(A, "invite"), "talking", []],
    ["§3.1.3 BYE of the caller for its early dialog crosses our 2xx", answered, bye(A), "gone", ["200 to bye", "BYE 1", "record caller-hung-up 200 0"]],
    ["§3.1.4 re-INVITE before the ACK, offer and answer done: passed on", answered, offer(A, "INVITE"), "talking", ["INVITE+sdp 1"]],
    ["§3.1.5 re-INVITE before the ACK that owes the answer: 491", held, offer(A, "INVITE"), "talking", ["491 to change-0"]],
    ["§3.1.6 BYE before the ACK", answered, bye(A), "gone", ["200 to bye", "BYE 1", "record caller-hung-up 200 0"]],
    ["§3.1.6 BYE of the callee before the caller's ACK", answered, bye(B), "gone", ["200 to bye", "BYE 0", "record callee-hung-up 200 0"]],
    ["§3.3.1 re-INVITEs cross: 491 to the second", changing, offer(B, "INVITE"), "talking", ["491 to change-1"]],
    ["§3.3.2 UPDATE crosses a re-INVITE: 491", changing, offer(B, "UPDATE"), "talking", ["491 to change-1"]],
    ["§3.3.2 re-INVITE crosses an UPDATE: 491", after(talking, offer(A, "UPDATE")), offer(B, "INVITE"), "talking", ["491 to change-1"]],
  ];
  it.each(rows)("%s", check);

  it("§3.2.1 BYEs cross: both are answered", () => {
    expect(over.name).toBe("gone");
    expect(describeEffects(withoutCall(bye(A)))).toEqual(["200 to bye"]);
  });

  it("§3.2.2 a re-INVITE that crosses the BYE is refused", () => {
    expect(describeEffects(withoutCall(offer(A, "INVITE")))).toEqual(["481 to change-0"]);
  });

  it("§3.2.3 the 200 of a re-INVITE that crosses the BYE is acknowledged", () => {
    expect(describeEffects(withoutCall(response(B, 200, "a")))).toContain("ack 1");
  });

  it("§3.2.4 an ACK after our BYE changes nothing", () => {
    expect(stepUserCall(over, ack())).toBeUndefined();
  });
});
