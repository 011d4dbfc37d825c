import { describe, expect, it } from "vitest";
import { describeEffects } from "#signaling/calls/testing/describe-effects.ts";
import { type BridgedCall, type BridgedJoined, type DialPlan } from "./bridged-call.ts";
import { startDial } from "./bridged-call-dial.ts";
import { repeatBridgedCall, stepBridgedCall } from "./bridged-call.machine.ts";
import { callPolicy } from "./user-call-branch.ts";
import type { CallEvent } from "./call-event.ts";

const CALL = "00bridged";
const flow = { transport: "udp", host: "192.0.2.9", port: 5_060 } as const;
const contact = (key: string, webrtc = false) => ({
  uri: `sip:carol@${key}`,
  key,
  flow,
  webrtc,
  expiresAtMs: 9e12,
});
const PLAN: DialPlan = {
  policy: callPolicy("00first"), partner: "00first", origin: "00first", depth: 1, callee: { id: "carol", name: "Carol", priority: 5 },
  from: "<sip:bob@x>", to: "<sip:carol@x>", destinations: [contact("a"), contact("b")], ringMs: 20_000, parties: { kind: "user", from: "bob", to: "carol" },
  referredBy: "<sip:alice@x>",
}; // prettier-ignore
const at = { atMs: 5_000 };

/** Where a call stands after events. */
function after(...events: CallEvent[]): BridgedCall {
  let { state } = startDial(CALL, PLAN, 1_000);
  for (const event of events) state = stepBridgedCall(state, event)?.state ?? state;
  return state;
}
const offer: CallEvent = { type: "described", leg: `${CALL}.0`, revision: 1, description: { type: "offer", sdp: "v=0 ours" }, ...at }; // prettier-ignore
const response = (leg: number, status: number, sdp?: string): CallEvent => ({
  type: "response", leg: `${CALL}.${leg}`, method: "INVITE", status, local: false, sdp, ...at,
}); // prettier-ignore
const ringing = after(offer);
const answered = after(offer, response(1, 200, "v=0 theirs"));
const joined: BridgedJoined = (() => {
  const state = after(offer, response(1, 200, "v=0 theirs"), { type: "described", leg: `${CALL}.0`, revision: 2, description: undefined, ...at }); // prettier-ignore
  if (state.name !== "joined") throw new Error("not joined");
  return state;
})();
const moving: BridgedCall = { ...joined, name: "moving", origin: "00origin", offer: "v=0 moved" };
const ended = stepBridgedCall(joined, { type: "bye", leg: joined.sip, txn: "t1", ...at })?.state ?? joined;

describe("a call that a referral makes", () => {
  it("asks the media tier for an offer, and has so long to be answered", () => {
    expect(describeEffects(startDial(CALL, PLAN, 1_000).effects)).toEqual(["arm no-answer", "PUT 0 r1 none"]);
  });

  it("rings only contacts of the kind that the best one is of: one offer serves all", () => {
    const { state } = startDial(CALL, { ...PLAN, destinations: [contact("a"), contact("w", true)] }, 1_000);
    expect(state.name === "dialling" ? state.branches.map(({ key }) => key) : []).toEqual(["a"]);
  });

  it.each<[string, BridgedCall, CallEvent, string[]]>([
    ["rings every contact", after(), offer, ["INVITE+sdp 1", "INVITE+sdp 2"]],
    ["tells that it rings, once", ringing, response(1, 180), ["tell 00first: referral 180"]],
    ["tells no second ringing", after(offer, response(1, 180)), response(2, 183), []],
    ["is answered by the first", ringing, response(2, 200, "v=0"), ["ack 2", "cancel 1", "disarm no-answer", "arm media", "PUT 0 r2 answer", "tell 00first: referral 200"]],
    ["waits for the other contact", ringing, response(1, 486), []],
    ["fails with the best of their answers", after(offer, response(1, 486)), response(2, 404), ["record rejected 486 0", "disarm no-answer", "disarm referral", "arm media", "DELETE 0", "tell 00first: partner-ended", "tell 00first: referral 486"]],
    ["fails at once with a 6xx", ringing, response(1, 603), ["cancel 2", "record rejected 603 0", "disarm no-answer", "disarm referral", "arm media", "DELETE 0", "tell 00first: partner-ended", "tell 00first: referral 603"]],
    ["takes down a second answer", answered, response(2, 200, "v=0"), ["ack 2", "BYE 2"]],
    ["gives up when nobody answers", ringing, { type: "timer", timer: "no-answer", ...at }, ["cancel 1", "cancel 2", "record no-answer 480 0", "disarm no-answer", "disarm referral", "arm media", "DELETE 0", "tell 00first: partner-ended", "tell 00first: referral 480"]],
    ["gives up when nobody waits any more", ringing, { type: "partner-ended", by: "00first", ...at }, ["cancel 1", "cancel 2", "record cancelled 487 0", "disarm no-answer", "disarm referral", "arm media", "DELETE 0", "tell 00first: partner-ended", "tell 00first: referral 487"]],
    ["says again how it stands", joined, { type: "resume", ...at }, ["tell 00first: referral 200"]],
  ])("%s", (_title, state, event, expected) => {
    expect(describeEffects(stepBridgedCall(state, event)?.effects ?? [])).toEqual(expected);
  }); // prettier-ignore
});

describe("a call that a referral makes to a number outside", () => {
  const hop = (id: string, peer: string) => ({
    ...contact(""),
    trunk: { id, peer, from: "<sip:+1@x>", to: "<sip:+2@x>", headers: [], failoverOn: ["5xx" as const], patienceMs: 500 },
  }); // prettier-ignore
  const OUTSIDE: DialPlan = {
    ...PLAN,
    inTurn: true,
    destinations: [hop("first", "a"), hop("first", "b"), hop("second", "c")],
  };
  const outside = (...events: CallEvent[]): BridgedCall =>
    events.reduce(
      (state, event) => stepBridgedCall(state, event)?.state ?? state,
      startDial(CALL, OUTSIDE, 1_000).state,
    );
  const claimed = (leg: number, claim: "claimed" | "full"): CallEvent => ({ type: "claimed", leg: `${CALL}.${leg}`, claim, ...at }); // prettier-ignore
  const silent = (leg: number): CallEvent => ({ ...response(leg, 408), local: true }) as CallEvent;
  const calling = outside(offer, claimed(1, "claimed"));
  const second = outside(offer, claimed(1, "claimed"), response(1, 503));
  const OVER = [
    "disarm no-answer",
    "disarm referral",
    "arm media",
    "DELETE 0",
    "tell 00first: partner-ended",
  ];

  it.each<[string, BridgedCall, CallEvent, string[]]>([
    ["asks the trunk for room before anything is sent", outside(), offer, ["claim first 1"]],
    ["calls with the media tier's offer when there is", outside(offer), claimed(1, "claimed"), ["INVITE+sdp 1"]],
    ["goes to the next trunk when there is none", outside(offer), claimed(1, "full"), ["claim second 2"]],
    ["ends when no trunk has room", outside(offer, claimed(1, "full")), claimed(2, "full"), ["record trunk-full 503 0", ...OVER, "tell 00first: referral 503"]],
    ["tries the trunk's next peer without asking again", calling, response(1, 500), ["INVITE+sdp 2"]],
    ["leaves a silent peer alone", calling, silent(1), ["avoid a 30", "INVITE+sdp 2"]],
    ["tries another trunk after the last peer of one", second, response(2, 500), ["claim second 3"]],
    ["tries nobody else when the callee is busy", calling, response(1, 486), ["record rejected 486 0", ...OVER, "tell 00first: referral 486"]],
    ["takes down a peer that answers after it was given up", second, response(1, 200, "v=0"), ["ack 1", "BYE 1"]],
    ["hears nothing of what was claimed too late", calling, claimed(1, "full"), []],
  ])("%s", (_title, state, event, expected) => {
    expect(describeEffects(stepBridgedCall(state, event)?.effects ?? [])).toEqual(expected);
  }); // prettier-ignore

  it("counts against its trunk from the asking on, and is asked for again by a survivor", () => {
    const asking = outside(offer);
    expect("trunk" in asking && asking.trunk).toBe("first");
    expect(describeEffects(repeatBridgedCall(asking))).toEqual(["claim first 1"]);
    const joinedThere = outside(offer, claimed(1, "claimed"), response(1, 200, "v=0"));
    expect("trunk" in joinedThere && joinedThere.trunk).toBe("first");
    expect(stepBridgedCall(joinedThere, { type: "partner-ended", by: "00first", ...at })?.state).not.toHaveProperty("trunk"); // prettier-ignore
  });
});

describe("a leg that moves into the media tier", () => {
  it.each<[string, BridgedCall, CallEvent, string[]]>([
    ["is joined when its re-INVITE is answered", moving, response(1, 200, "v=0"), ["ack 1", "arm media", "PUT 0 r3 answer", "tell 00origin: referral 200"]],
    ["tries again after a glare", moving, response(1, 491), ["arm media"]],
    ["is re-INVITEd again then", moving, { type: "timer", timer: "media", ...at }, ["INVITE+sdp 1"]],
    ["answers 491 to the other's re-INVITE meanwhile", moving, { type: "offer", method: "INVITE", leg: joined.sip, txn: "t1", sdp: "v=0", ...at }, ["491 to t1"]],
    ["is hung up when it does not want to", moving, response(1, 488), ["BYE 1", "record media-refused 488 0", "disarm no-answer", "disarm referral", "arm media", "DELETE 0", "tell 00first: partner-ended", "tell 00origin: referral 488"]],
  ])("%s", (_title, state, event, expected) => {
    expect(describeEffects(stepBridgedCall(state, event)?.effects ?? [])).toEqual(expected);
  }); // prettier-ignore
});

describe("a call with a partner", () => {
  it("ends with it", () => {
    const effects = stepBridgedCall(joined, { type: "partner-ended", by: "00first", ...at })?.effects ?? [];
    expect(describeEffects(effects)[0]).toBe("BYE 1");
  });

  it("does not end with a partner that it has no more", () => {
    const { state } = stepBridgedCall(joined, { type: "partner", is: "00second", ...at }) ?? {
      state: joined,
    };
    expect(stepBridgedCall(state, { type: "partner-ended", by: "00first", ...at })?.effects).toEqual([]);
  });

  it("tells it a second time before it is forgotten: the first may be lost in a crash", () => {
    const closed: CallEvent = { type: "closed", leg: `${CALL}.0`, ...at };
    expect(stepBridgedCall(ended, closed)?.state.name).toBe("ended");
    const again = stepBridgedCall(ended, { type: "timer", timer: "media", ...at });
    expect(describeEffects(again?.effects ?? [])).toEqual(["arm media", "DELETE 0", "tell 00first: partner-ended", "tell 00first: referral 200"]); // prettier-ignore
    expect(stepBridgedCall(again?.state ?? ended, closed)?.state.name).toBe("gone");
  });

  it("is repeated by a survivor from its record alone", () => {
    expect(describeEffects(repeatBridgedCall(after()))).toEqual(["PUT 0 r1 none"]);
    expect(describeEffects(repeatBridgedCall(moving))).toEqual(["INVITE+sdp 1"]);
    expect(describeEffects(repeatBridgedCall(ended))).toContain("tell 00first: partner-ended");
  });
});
