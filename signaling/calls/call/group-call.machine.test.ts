import { describe, expect, it } from "vitest";
import type { GroupPolicy, Member } from "#common/media-control.ts";
import { describeEffects } from "#signaling/calls/testing/describe-effects.ts";
import type { CallEvent } from "./call-event.ts";
import {
  CLOSE_TRIES,
  repeatGroupCall,
  startGroupCall,
  stepGroupCall,
  type GroupCall,
} from "./group-call.machine.ts";

const policy: GroupPolicy = {
  id: "fire-1",
  name: "Fire 1",
  mode: "half-duplex",
  maxTalkMs: 60_000,
  hangMs: 500,
  queue: false,
  phonePtt: "dtmf",
};
const caller: Member = { id: "alice", name: "Alice", kind: "phone", priority: 5 };
const call = "00aaaaaaaaaaaaaaaaaaaaaa";
const leg = `${call}.0`;
const atMs = 3_000;

const start = (sdp: string | undefined) =>
  startGroupCall(call, {
    type: "group-invite",
    leg,
    txn: "invite",
    caller,
    webrtc: false,
    sdp,
    policy,
    atMs: 1_000,
  });
const after = (state: GroupCall, ...events: CallEvent[]): GroupCall =>
  events.reduce((at, event) => stepGroupCall(at, event)?.state ?? at, state);
const described = (revision: number, type: "answer" | "offer" | "nothing" = "answer"): CallEvent => ({
  type: "described",
  leg,
  revision,
  description: type === "nothing" ? undefined : { type, sdp: "s" },
  by: "media-1",
  atMs: 2_000,
});
const ack = (sdp?: string): CallEvent => ({ type: "ack", leg, sdp, atMs });
const offer = (sdp: string | undefined = "o", method: "INVITE" | "UPDATE" = "INVITE"): CallEvent => ({
  type: "offer",
  method,
  leg,
  txn: "change",
  sdp,
  atMs,
});
const refused = (revision: number, status: 400 | 488 = 488): CallEvent => ({
  type: "refused",
  leg,
  revision,
  refusal: { status },
  atMs,
});
const bye: CallEvent = { type: "bye", leg, txn: "bye", atMs };
const cancel = (txn: string): CallEvent => ({ type: "cancel", leg, txn, atMs });
const info = (digit?: string): CallEvent => ({
  type: "info",
  method: "INFO",
  leg,
  txn: "info",
  digit,
  body: "x",
  contentType: digit === undefined ? "text/plain" : "application/dtmf",
  atMs,
});
const timer: CallEvent = { type: "timer", timer: "media", atMs };
const closed: CallEvent = { type: "closed", leg, atMs };
const ended: CallEvent = { type: "leg-ended", leg, atMs };
const noAck: CallEvent = { type: "ack-timeout", leg, atMs };

const joining = start("o").state;
const joined = after(joining, described(1));
const talking = after(joined, ack());
const offering = after(start(undefined).state, described(1, "offer"));
const settling = after(offering, ack("a"));
const changing = after(talking, offer());
const over = after(talking, ended);
const hungUp = after(talking, bye);
const { at: _at, ...nowhere } = talking.media;
const unplaced = { ...talking, media: nowhere };

describe("a call into a talk group", () => {
  it("asks the media tier at once, with the caller's offer or for one", () => {
    expect(describeEffects(start("o").effects)).toEqual(["PUT 0 r1 offer"]);
    expect(describeEffects(start(undefined).effects)).toEqual(["PUT 0 r1 none"]);
  });

  const rows: [title: string, from: GroupCall, event: CallEvent, to: GroupCall["name"], effects: string[]][] = [
    ["joining --answer of the media tier--> joined", joining, described(1), "joined", ["200+sdp to invite"]],
    ["joining --488 of the media tier--> ended", joining, refused(1), "ended", ["488 to invite", "record media-refused 488 0", "arm media", "DELETE 0"]],
    ["joining --CANCEL--> ended", joining, cancel("invite"), "ended", ["record cancelled 487 0", "arm media", "DELETE 0"]],
    ["joining --leg lost--> ended", joining, ended, "ended", ["500 to invite", "record media-lost 500 0", "arm media", "DELETE 0"]],
    ["joining --an old answer--> joining", joining, described(7), "joining", []],
    ["joined --ACK--> joined", joined, ack(), "joined", []],
    ["joining --CANCEL for a 503 that the caller was told--> ended, recorded as such", joining, { type: "cancel", leg, txn: "invite", refused: true, atMs }, "ended", ["record unavailable 503 0", "arm media", "DELETE 0"]],
    ["joined --its caller took a 503--> ended, nobody has talked", joined, { type: "ack-timeout", leg, refused: true, atMs }, "ended", ["record unavailable 503 0", "arm media", "DELETE 0"]],
    ["joined --no ACK--> ended; the edge has sent BYE", joined, noAck, "ended", ["record no-ack 200 1000", "arm media", "DELETE 0"]],
    ["offering --ACK with answer--> settling", offering, ack("a"), "joined", ["PUT 0 r2 answer", "arm media"]],
    ["offering --ACK without answer--> ended (RFC 3261 §13.2.1)", offering, ack(), "ended", ["BYE 0", "record media-refused 200 1000", "arm media", "DELETE 0"]],
    ["offering --UPDATE with offer--> 491 (RFC 3311 §5.2)", offering, offer("o", "UPDATE"), "joined", ["491 to change"]],
    ["settling --done--> talking", settling, described(2, "nothing"), "joined", ["disarm media"]],
    ["settling --refused--> ended", settling, refused(2), "ended", ["BYE 0", "record media-refused 200 1000", "arm media", "DELETE 0"]],
    ["settling --timer--> settling, asked again", settling, timer, "joined", ["PUT 0 r2 answer", "arm media"]],
    ["talking --re-INVITE--> changing, new revision", talking, offer(), "joined", ["PUT 0 r2 offer"]],
    ["talking --re-INVITE without offer--> changing", talking, { ...offer(), sdp: undefined } as CallEvent, "joined", ["PUT 0 r2 none"]],
    ["talking --UPDATE without offer--> talking (RFC 4028)", talking, { ...offer("", "UPDATE"), sdp: undefined } as CallEvent, "joined", ["200 to change"]],
    ["talking --INFO with a key--> talking", talking, info("*"), "joined", ["200 to info", "digit 0"]],
    ["talking --INFO with something else--> 415", talking, info(), "joined", ["415 to info"]],
    ["talking --BYE--> gone, its media leg first", talking, bye, "gone", ["200 to bye", "record caller-hung-up 200 1000", "dismiss 0 from media-1"]],
    ["talking, of a record that does not say where --BYE--> ended", unplaced, bye, "ended", ["200 to bye", "record caller-hung-up 200 1000", "arm media", "DELETE 0"]],
    ["talking --leg lost--> ended", talking, ended, "ended", ["BYE 0", "record media-lost 200 1000", "arm media", "DELETE 0"]],
    ["changing --answer--> talking", changing, described(2), "joined", ["200+sdp to change"]],
    ["changing --refused--> talking, as before (RFC 3261 §14.2)", changing, refused(2), "joined", ["488 to change"]],
    ["changing --another re-INVITE--> 500 with Retry-After (RFC 3261 §14.2)", changing, { ...offer(), txn: "again" } as CallEvent, "joined", ["500 to again"]],
    ["changing --CANCEL of it--> nothing is owed any more", changing, cancel("change"), "joined", ["arm media"]],
    ["changing --BYE--> ended, the change is answered 487", changing, bye, "ended", ["200 to bye", "487 to change", "record caller-hung-up 200 1000", "arm media", "DELETE 0"]],
    ["ended --media gone--> gone", over, closed, "gone", ["disarm media"]],
    ["ended --timer--> ended, asked again", over, timer, "ended", ["arm media", "DELETE 0"]],
    ["ended --BYE that crossed--> ended (RFC 5407 §3.2)", over, bye, "ended", ["200 to bye"]],
  ]; // prettier-ignore

  it.each(rows)("%s", (_title, from, event, to, effects) => {
    const result = stepGroupCall(from, event);
    expect(result?.state.name).toBe(to);
    expect(describeEffects(result?.effects ?? [])).toEqual(effects);
  });

  it("leaves a media tier that never answers to its own timeout after some tries", () => {
    let state = over;
    for (let i = 0; i < CLOSE_TRIES; i++) state = after(state, timer);
    expect(state.name).toBe("gone");
  });

  it("repeats, for a survivor, exactly what the state waits for", () => {
    const states = { joining, joined, talking, settling, changing, over, hungUp, gone: after(over, closed) };
    const repeated = Object.fromEntries(
      Object.entries(states).map(([name, state]) => [name, describeEffects(repeatGroupCall(state))]),
    );
    expect(repeated).toEqual({
      joining: ["PUT 0 r1 offer"], joined: [], talking: [], settling: ["PUT 0 r2 answer"], changing: ["PUT 0 r2 offer"], over: ["DELETE 0"], hungUp: [], gone: [],
    }); // prettier-ignore
  });

  it("writes one record whatever comes afterwards, in any order", () => {
    const events = [bye, noAck, ended, cancel("invite"), closed, bye, refused(2), timer];
    for (let i = 0; i < events.length; i++) {
      const order = [...events.slice(i), ...events.slice(0, i)];
      let state: GroupCall = talking;
      let records = 0;
      for (const event of order) {
        const result = stepGroupCall(state, event);
        records += result?.effects.filter((effect) => effect.do === "detail").length ?? 0;
        state = result?.state ?? state;
      }
      expect(records).toBe(1);
    }
  });

  it("keeps to this matrix", () => {
    const states = { joining, joined, offering, settling, talking, changing, over };
    const events = {
      described: described(2), "refused": refused(2), ack: ack(), "ack+answer": ack("a"), "no ack": noAck, cancel: cancel("change"), offer: offer(),
      info: info("5"), bye, timer, closed, "leg lost": ended,
    }; // prettier-ignore
    const lines = Object.entries(states).flatMap(([from, state]) =>
      Object.entries(events).map(([name, event]) => {
        const result = stepGroupCall(state, event);
        return `${from} --${name}--> ${result ? `${result.state.name}: ${describeEffects(result.effects).join(", ")}` : "-"}`;
      }),
    );
    expect(lines.join("\n")).toMatchSnapshot();
  });
});
