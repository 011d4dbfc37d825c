import { describe, expect, it } from "vitest";
import type { Member } from "#common/media-control.ts";
import { describeEffects } from "#signaling/calls/testing/describe-effects.ts";
import { bestFailure } from "./best-failure.ts";
import type { CallEvent, Destination } from "./call-event.ts";
import { startUserCall } from "./user-call-setup.ts";
import { stepUserCall } from "./user-call.machine.ts";
import { repeatUserCall, type UserCall } from "./user-call.ts";

const caller: Member = { id: "alice", name: "Alice", kind: "phone", priority: 5 };
const call = "00aaaaaaaaaaaaaaaaaaaaaa";
const [A, B, C] = [`${call}.0`, `${call}.1`, `${call}.2`] as const;
const atMs = 3_000;

const contact = (key: string, transport: "udp" | "ws" = "udp"): Destination => ({
  uri: `sip:bob@${key}`, key, expiresAtMs: 9, webrtc: transport === "ws", flow: { transport, host: "192.0.2.9", port: 5060 },
}); // prettier-ignore
function start(
  sdp: string | undefined,
  destinations: Destination[] = [contact("desk"), contact("mobile")],
  webrtc = false,
) {
  return startUserCall(call, {
    type: "user-invite", leg: A, txn: "invite", caller, webrtc, sdp, callee: { id: "bob", name: "Bob", priority: 5 },
    from: "<sip:alice@x>", to: "<sip:bob@x>", destinations, ringMs: 60_000, atMs: 1_000,
  }); // prettier-ignore
}
const after = (state: UserCall, ...events: CallEvent[]): UserCall =>
  events.reduce((at, event) => stepUserCall(at, event)?.state ?? at, state);
const response = (leg: string, status: number, sdp?: string, method = "INVITE"): CallEvent => ({
  type: "response",
  leg,
  method,
  status,
  local: false,
  sdp,
  atMs: 2_000,
});
const local = (leg: string, status: number): CallEvent => ({
  type: "response",
  leg,
  method: "INVITE",
  status,
  local: true,
  sdp: undefined,
  atMs,
});
const described = (leg: string, revision: number, type: "answer" | "offer" | undefined): CallEvent => ({
  type: "described",
  leg,
  revision,
  description: type && { type, sdp: `${type} of media` },
  atMs: 2_000,
});
const refused = (leg: string, revision: number): CallEvent => ({
  type: "refused",
  leg,
  revision,
  refusal: { status: 488 },
  atMs,
});
const ack = (leg: string, sdp?: string): CallEvent => ({ type: "ack", leg, sdp, atMs });
const noAck = (leg: string): CallEvent => ({ type: "ack-timeout", leg, atMs });
const offer = (leg: string, method: "INVITE" | "UPDATE" = "INVITE"): CallEvent => ({
  type: "offer",
  method,
  leg,
  txn: `change-${leg.slice(-1)}`,
  sdp: "o",
  atMs,
});
const bare = (leg: string): CallEvent => ({
  type: "offer",
  method: "INVITE",
  leg,
  txn: `change-${leg.slice(-1)}`,
  sdp: undefined,
  atMs,
});
const bye = (leg: string): CallEvent => ({ type: "bye", leg, txn: "bye", atMs });
const cancel = (txn = "invite", leg: string = A): CallEvent => ({ type: "cancel", leg, txn, atMs });
const info = (leg: string): CallEvent => ({
  type: "info",
  method: "INFO",
  leg,
  txn: "info",
  digit: "5",
  body: "5",
  contentType: "application/dtmf",
  atMs,
});
const timer = (name: string): CallEvent => ({ type: "timer", timer: name, atMs });
const closed = (leg: string): CallEvent => ({ type: "closed", leg, atMs });
const ended = (leg: string): CallEvent => ({ type: "leg-ended", leg, atMs });

type Row = [title: string, from: UserCall, event: CallEvent, to: UserCall["name"], effects: string[]];
const check = (_title: string, from: UserCall, event: CallEvent, to: UserCall["name"], effects: string[]) => {
  const result = stepUserCall(from, event);
  expect(result?.state.name).toBe(to);
  expect(describeEffects(result?.effects ?? [])).toEqual(effects);
};

describe("a call between telephones", () => {
  const calling = start("o").state;
  const one = start("o", [contact("desk")]).state;
  const ringing = after(calling, response(B, 180));
  const answered = after(calling, response(B, 200, "a"));
  const talking = after(answered, ack(A));
  const unoffered = after(start(undefined).state, response(B, 200, "o"));
  const changing = after(talking, offer(A));
  const changed = after(changing, response(B, 200, "a"));
  const asking = after(talking, bare(A));
  const asked = after(asking, response(B, 200, "o"));
  const over = after(talking, bye(A));

  it("calls every contact at once with the caller's own offer, for a limited time", () => {
    expect(describeEffects(start("o").effects)).toEqual(["arm no-answer", "INVITE+sdp 1", "INVITE+sdp 2"]);
    expect(describeEffects(start(undefined, [contact("desk")]).effects)).toEqual([
      "arm no-answer",
      "INVITE 1",
    ]);
  });

  const rows: Row[] = [
    ["calling --100--> calling", calling, response(B, 100), "calling", []],
    ["calling --180--> calling, the caller is told", calling, response(B, 180), "calling", ["180 to invite"]],
    ["ringing --180 of another--> ringing, told once", ringing, response(C, 180), "calling", []],
    ["calling --183 with media of several--> 180: early media of one only", calling, response(B, 183, "e"), "calling", ["180 to invite"]],
    ["calling one --183 with media--> passed on", one, response(B, 183, "e"), "calling", ["183+sdp to invite"]],
    ["calling --200--> talking, the others are cancelled", calling, response(B, 200, "a"), "talking", ["ack 1", "200+sdp to invite", "cancel 2", "disarm no-answer"]],
    ["calling without offer --200--> talking, its ACK is held", start(undefined).state, response(B, 200, "o"), "talking", ["200+sdp to invite", "cancel 2", "disarm no-answer"]],
    ["calling --486 of one--> calling", calling, response(B, 486), "calling", []],
    ["calling one --486--> gone", one, response(B, 486), "gone", ["486 to invite", "record rejected 486 0", "disarm no-answer"]],
    ["calling --603 of one--> gone, the others are cancelled", calling, response(B, 603), "gone", ["603 to invite", "cancel 2", "record rejected 603 0", "disarm no-answer"]],
    ["calling one --407--> 480: a challenge is nothing to the caller", one, response(B, 407), "gone", ["480 to invite", "record rejected 480 0", "disarm no-answer"]],
    ["calling one --silence (408)--> 480", one, local(B, 408), "gone", ["480 to invite", "record rejected 480 0", "disarm no-answer"]],
    ["calling --CANCEL--> gone", ringing, cancel(), "gone", ["cancel 1", "cancel 2", "record cancelled 487 0", "disarm no-answer"]],
    ["calling --nobody picks up--> gone", ringing, timer("no-answer"), "gone", ["480 to invite", "cancel 1", "cancel 2", "record no-answer 480 0", "disarm no-answer"]],
    ["calling --CANCEL for a 503 that the caller was told--> gone, recorded as such", ringing, { type: "cancel", leg: A, txn: "invite", refused: true, atMs }, "gone", ["cancel 1", "cancel 2", "record unavailable 503 0", "disarm no-answer"]],
    ["calling --BYE of the caller--> gone (RFC 3261 §15)", ringing, bye(A), "gone", ["200 to bye", "487 to invite", "cancel 1", "cancel 2", "record cancelled 487 0", "disarm no-answer"]],
    ["talking --late 200 of one that was cancelled--> taken down (RFC 3261 §9.1)", talking, response(C, 200, "a"), "talking", ["ack 2", "BYE 2"]],
    ["talking --late 487 of it--> talking", talking, response(C, 487), "talking", []],
    ["answered --no ACK--> gone; the edge has sent BYE to the caller", answered, noAck(A), "gone", ["BYE 1", "record no-ack 200 1000"]],
    ["held --ACK with answer--> talking, passed on", unoffered, ack(A, "a"), "talking", ["ack+sdp 1"]],
    ["answered --its caller took a 503--> gone, the callee is hung up and nobody has talked", answered, { type: "ack-timeout", leg: A, refused: true, atMs }, "gone", ["BYE 1", "record unavailable 503 0"]],
    ["held --no ACK--> gone, the held ACK goes first", unoffered, noAck(A), "gone", ["ack 1", "BYE 1", "record no-ack 200 1000"]],
    ["talking --re-INVITE--> changing", talking, offer(A), "talking", ["INVITE+sdp 1"]],
    ["talking --re-INVITE of the callee--> changing", talking, offer(B), "talking", ["INVITE+sdp 0"]],
    ["changing --180--> changing", changing, response(B, 180), "talking", []],
    ["changing --200--> answered", changing, response(B, 200, "a"), "talking", ["ack 1", "200+sdp to change-0"]],
    ["changing --488--> talking", changing, response(B, 488), "talking", ["488 to change-0"]],
    ["changing --481--> gone (RFC 3261 §12.2.1.2)", changing, response(B, 481), "gone", ["481 to change-0", "BYE 0", "BYE 1", "record peer-lost 200 0"]],
    ["changing --re-INVITE of the other side--> 491", changing, offer(B), "talking", ["491 to change-1"]],
    ["changing --re-INVITE of the same side--> 500", changing, offer(A), "talking", ["500 to change-0"]],
    ["changing --CANCEL of it--> talking", changing, cancel("change-0"), "talking", ["cancel 1"]],
    ["changing --BYE of the other side--> gone, the change is answered 487", changing, bye(B), "gone", ["200 to bye", "487 to change-0", "BYE 0", "record callee-hung-up 200 1000"]],
    ["changed --ACK--> talking", changed, ack(A), "talking", []],
    ["talking --200 of a change that was given up--> acknowledged", talking, response(B, 200, "a"), "talking", ["ack 1"]],
    ["asking --200 with offer--> asked, its ACK is held", asking, response(B, 200, "o"), "talking", ["200+sdp to change-0"]],
    ["asked --ACK with answer--> talking", asked, ack(A, "a"), "talking", ["ack+sdp 1"]],
    ["asked --re-INVITE of the other side--> 491", asked, offer(B), "talking", ["491 to change-1"]],
    ["asked --BYE of the caller--> gone, the held ACK goes first", asked, bye(A), "gone", ["200 to bye", "ack 1", "BYE 1", "record caller-hung-up 200 1000"]],
    ["talking --UPDATE--> passed on", talking, offer(A, "UPDATE"), "talking", ["UPDATE+sdp 1"]],
    ["updating --200--> passed back", after(talking, offer(A, "UPDATE")), response(B, 200, "a", "UPDATE"), "talking", ["200+sdp to change-0"]],
    ["talking --INFO--> passed on", talking, info(B), "talking", ["200 to info", "INFO+body 0"]],
    ["talking --no sign of life of one side--> gone; the edge has sent BYE there (RFC 4028 §10)", talking, { type: "session-expired", leg: A, atMs }, "gone", ["BYE 1", "record peer-lost 200 1000"]],
    ["talking --BYE--> gone", talking, bye(A), "gone", ["200 to bye", "BYE 1", "record caller-hung-up 200 1000"]],
    ["talking --BYE of the callee--> gone", talking, bye(B), "gone", ["200 to bye", "BYE 0", "record callee-hung-up 200 1000"]],
  ]; // prettier-ignore
  it.each(rows)("%s", check);

  it("forgets a contact whose connection is gone, and tells 480", () => {
    const state = start("o", [contact("browser-gone"), contact("desk")]).state;
    expect(describeEffects(stepUserCall(state, local(B, 503))?.effects ?? [])).toEqual([]);
    const stream = start("o", [
      { ...contact("tcp"), flow: { transport: "tcp", host: "192.0.2.9", port: 4_000 } },
    ]).state;
    expect(describeEffects(stepUserCall(stream, local(B, 503))?.effects ?? [])).toEqual([
      "unbind tcp",
      "480 to invite",
      "record rejected 480 0",
      "disarm no-answer",
    ]);
  });

  it("is over for good", () => {
    expect(stepUserCall(over, bye(B))).toBeUndefined();
  });
});

describe("a call that a browser takes part in", () => {
  const calling = start("o", [contact("page", "ws"), contact("desk")]).state;
  const ready = after(calling, described(A, 1, "answer"), described(B, 1, "offer"), described(C, 1, "offer"));
  const accepting = after(ready, response(B, 200, "a"));
  const talking = after(accepting, described(B, 2, undefined), ack(A));
  const offering = after(
    start(undefined, [contact("desk")], true).state,
    described(A, 1, "offer"),
    described(B, 1, "offer"),
    response(B, 200, "a"),
    described(B, 2, undefined),
  );
  const over = after(talking, bye(A));

  it("asks the media tier for both sides before anybody rings", () => {
    const { state, effects } = start(undefined, [contact("page", "ws"), contact("desk")], true);
    expect(describeEffects(effects)).toEqual([
      "arm no-answer",
      "PUT 0 r1 none",
      "PUT 1 r1 none",
      "PUT 2 r1 none",
    ]);
    expect(state.media.map(({ webrtc, member }) => [webrtc, member.id, member.kind])).toEqual([
      [true, "alice", "phone"],
      [true, "bob", "browser"],
      [false, "bob", "phone"],
    ]);
    expect(state.policy).toMatchObject({ id: `call-${call}`, mode: "full-duplex" });
  });

  const rows: Row[] = [
    ["calling --offer for a contact--> it is called", calling, described(B, 1, "offer"), "calling", ["INVITE+sdp 1"]],
    ["calling --answer for the caller--> kept until the callee answers", calling, described(A, 1, "answer"), "calling", []],
    ["calling --caller's offer refused--> ended", calling, refused(A, 1), "ended", ["488 to invite", "DELETE 1", "DELETE 2", "record media-refused 488 0", "disarm no-answer", "arm media", "DELETE 0"]],
    ["calling --no media for one contact--> the others go on", calling, refused(B, 1), "calling", ["DELETE 1"]],
    ["ready --183 with media--> 180", ready, response(B, 183, "e"), "calling", ["180 to invite"]],
    ["ready --200--> its answer goes to the media tier, the others are cancelled", ready, response(B, 200, "a"), "calling", ["ack 1", "cancel 2", "DELETE 2", "PUT 1 r2 answer"]],
    ["ready --200 without answer--> ended", ready, response(B, 200), "ended", ["ack 1", "500 to invite", "cancel 2", "DELETE 2", "BYE 1", "DELETE 1", "record media-refused 500 0", "disarm no-answer", "arm media", "DELETE 0"]],
    ["ready --486 of one--> its media leg goes", ready, response(B, 486), "calling", ["DELETE 1"]],
    ["accepting --media done--> talking", accepting, described(B, 2, undefined), "talking", ["200+sdp to invite", "disarm no-answer", "arm media"]],
    ["accepting --answer refused--> ended", accepting, refused(B, 2), "ended", ["488 to invite", "BYE 1", "DELETE 1", "record media-refused 488 0", "disarm no-answer", "arm media", "DELETE 0"]],
    ["accepting --CANCEL--> ended", accepting, cancel(), "ended", ["BYE 1", "DELETE 1", "record cancelled 487 0", "disarm no-answer", "arm media", "DELETE 0"]],
    ["accepting --BYE of the callee--> ended", accepting, bye(B), "ended", ["200 to bye", "480 to invite", "record rejected 480 0", "disarm no-answer", "arm media", "DELETE 0", "DELETE 1"]],
    ["offering --ACK with answer--> to the media tier", offering, ack(A, "a"), "talking", ["PUT 0 r2 answer", "arm media"]],
    ["offering --ACK without answer--> ended", offering, ack(A), "ended", ["BYE 0", "BYE 1", "record media-refused 200 1000", "arm media", "DELETE 0", "DELETE 1"]],
    ["talking --re-INVITE--> answered by the media tier alone", talking, offer(A), "talking", ["PUT 0 r2 offer"]],
    ["talking --re-INVITE of both sides at once--> no glare", after(talking, offer(A)), offer(B), "talking", ["PUT 1 r3 offer"]],
    ["talking --BYE--> ended", talking, bye(B), "ended", ["200 to bye", "BYE 0", "record callee-hung-up 200 1000", "arm media", "DELETE 0", "DELETE 1"]],
    ["talking --leg lost--> ended", talking, ended(B), "ended", ["BYE 0", "BYE 1", "record media-lost 200 1000", "arm media", "DELETE 0", "DELETE 1"]],
    ["talking --last of the others gone--> no more to look after", talking, closed(C), "talking", ["disarm media"]],
    ["talking --leg of nobody lost--> talking", talking, ended(C), "talking", []],
    ["ended --one leg gone--> ended", over, closed(A), "ended", []],
    ["ended --timer--> asked again", over, timer("media"), "ended", ["arm media", "DELETE 2", "DELETE 0", "DELETE 1"]],
    ["ended --late 200 of one that was cancelled--> taken down", over, response(C, 200, "a"), "ended", ["ack 2", "BYE 2"]],
  ]; // prettier-ignore
  it.each(rows)("%s", check);

  it("is gone when the last media leg is", () => {
    expect(after(over, closed(A), closed(B), closed(C)).name).toBe("gone");
  });

  it("repeats, for a survivor, exactly what the state waits for", () => {
    expect(describeEffects(repeatUserCall(calling))).toEqual([
      "PUT 0 r1 offer",
      "PUT 1 r1 none",
      "PUT 2 r1 none",
    ]);
    expect(describeEffects(repeatUserCall(accepting))).toEqual(["PUT 1 r2 answer", "DELETE 2"]);
    expect(describeEffects(repeatUserCall(over))).toEqual(["DELETE 2", "DELETE 0", "DELETE 1"]);
  });
});

describe("whatever happens in a call", () => {
  const events: Record<string, CallEvent> = {
    "180 B": response(B, 180), "200 B": response(B, 200, "a"), "200 C": response(C, 200, "a"), "486 B": response(B, 486), "486 C": response(C, 486),
    "ack": ack(A), "ack+sdp": ack(A, "a"), "no ack": noAck(A), cancel: cancel(), "offer A": offer(A), "offer B": offer(B), "info": info(A),
    "bye A": bye(A), "bye B": bye(B), "no answer": timer("no-answer"), "media timer": timer("media"), "lost A": ended(A), "lost B": ended(B),
    "media A": described(A, 1, "answer"), "media B": described(B, 1, "offer"), "media B2": described(B, 2, undefined), "refused A": refused(A, 1), "refused B": refused(B, 1),
    "closed A": closed(A), "closed B": closed(B),
  }; // prettier-ignore
  it("keeps to this matrix", () => {
    const calling = start("o").state;
    const talking = after(calling, response(B, 200, "a"), ack(A));
    const anchored = start("o", undefined, true).state;
    const anchoredTalk = after(
      anchored,
      described(A, 1, "answer"),
      described(B, 1, "offer"),
      response(B, 200, "a"),
      described(B, 2, undefined),
      ack(A),
    );
    const states = {
      calling,
      talking,
      changing: after(talking, offer(A)),
      anchored,
      "anchored talk": anchoredTalk,
      ended: after(anchoredTalk, bye(A)),
    };
    const lines = Object.entries(states).flatMap(([from, state]) =>
      Object.entries(events).map(([name, event]) => {
        const result = stepUserCall(state, event);
        return `${from} --${name}--> ${result ? `${result.state.name}: ${describeEffects(result.effects).join(", ")}` : "-"}`;
      }),
    );
    expect(lines.join("\n")).toMatchSnapshot();
  });

  const random = (seed: number) => () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;

  it.each([
    ["telephones", false],
    ["browsers", true],
  ])("between %s, it is recorded once at most and never answered twice for good", (_title, webrtc) => {
    const names = Object.keys(events);
    for (let round = 1; round <= 500; round++) {
      const next = random(round);
      let state: UserCall = start(next() < 0.5 ? "o" : undefined, undefined, webrtc).state;
      let records = 0;
      let finals = 0;
      for (let i = 0; i < 25; i++) {
        const event = events[names[Math.floor(next() * names.length)] ?? ""];
        const result = event && stepUserCall(state, event);
        if (!result) continue;
        records += result.effects.filter((effect) => effect.do === "detail").length;
        finals += result.effects.filter(
          (effect) =>
            effect.do === "sip" &&
            effect.command.type === "reply" &&
            effect.command.txn === "invite" &&
            effect.command.status >= 200,
        ).length;
        // Plain JSON: another instance carries on with what Redis holds.
        state = JSON.parse(JSON.stringify(result.state)) as UserCall;
      }
      expect(records).toBe(state.name === "ended" || state.name === "gone" ? 1 : 0);
      expect(finals).toBeLessThanOrEqual(1);
    }
  });
});

describe("best failure response (RFC 3261 §16.7 item 6)", () => {
  it.each([
    [[486, 404], 486], [[404, 480], 404], [[480, 503], 480], [[603, 486], 603], [[500, 404], 404], [[503], 480], [[302], 480], [[407], 480], [[], 480], [[600, 603], 600],
  ])("%j is %i", (statuses, best) => {
    expect(bestFailure(statuses)).toBe(best);
  }); // prettier-ignore
});
