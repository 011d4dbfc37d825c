import type { EventOf } from "./call-event.ts";
import { sdpBody, sip } from "./effect.ts";
import { onAck, onCancel, onDescribed, onOffer, onRefused } from "./media-leg.ts";
import { onTold, tellAgain } from "./user-call-moved.ts";
import {
  ack,
  adoptMedia,
  backOff,
  bye,
  calm,
  cancel,
  end,
  MAX_GLARES,
  mediaOf,
  otherLeg,
  reply,
  to,
  type Relay,
  type Talking,
  type UserStep,
} from "./user-call.ts";

/** re-INVITE or UPDATE: answered by the media tier when it has the audio, else by the other side. */
export function onTalkOffer(state: Talking, event: EventOf<"offer">): UserStep {
  const media = mediaOf(state, event.leg);
  if (state.policy && media) return adoptMedia(state, onOffer(media, state.policy, event), event.atMs);
  const { leg, txn, method, sdp } = event;
  const { relay } = state;
  if (relay?.phase === "telling") {
    // One INVITE at a time. While ours waits, this exchange says the same: in the offer of whoever moved, or in its answer.
    if (!relay.waits) return to(state, reply(txn, 491));
    const { relay: _given, ...rest } = state;
    const { state: next, effects } = onTalkOffer(rest, event);
    return to(next, calm, ...effects);
  }
  if (relay?.phase === "waiting" && relay.by !== leg) {
    // The other side was first to try again: it goes on, and ours gives way, or they would meet for ever.
    const { relay: _given, ...rest } = state;
    const { state: next, effects } = onTalkOffer(rest, event);
    return to(next, calm, reply(relay.txn, 491), ...effects);
  }
  if (relay?.phase === "asked" || relay?.phase === "waiting") {
    // RFC 3261 §14.2: the same side has not waited for its answer; the other side crossed with it.
    return to(state, relay.by === leg ? reply(txn, 500, [["Retry-After", "1"]]) : reply(txn, 491));
  }
  if (relay?.phase === "acking" && relay.held) return to(state, reply(txn, 491));
  if (method === "UPDATE" && sdp === undefined) return to(state, reply(txn, 200));
  const offer = method === "INVITE" && sdp !== undefined ? { sdp } : {};
  const asked: Relay = { phase: "asked", by: leg, txn, method, offered: sdp !== undefined, ...offer };
  return to(
    { ...state, relay: asked },
    sip({ type: "in-dialog", leg: otherLeg(state, leg), method, ...sdpBody(sdp) }),
  );
}

/** What the other side says to a re-INVITE or UPDATE that was passed on. */
export function onTalkResponse(state: Talking, event: EventOf<"response">): UserStep {
  const { leg, method, status, sdp, atMs } = event;
  const success = status >= 200 && status < 300;
  if (leg !== state.leg && leg !== state.peer) {
    // A contact that was given up but answered all the same (RFC 3261 §9.1).
    return method === "INVITE" && success ? to(state, ack(leg), bye(leg)) : to(state);
  }
  const { relay, ...rest } = state;
  if (relay?.phase === "telling" && !relay.waits && method === "INVITE" && relay.by !== leg)
    return onTold(state, relay, event);
  if (relay?.phase !== "asked" || relay.method !== method || relay.by === leg) {
    // The answer to a re-INVITE that was given up: acknowledged, or it would be sent again and again.
    return method === "INVITE" && success ? to(state, ack(leg)) : to(state);
  }
  if (status < 200) return to(state);
  if (success) {
    const answer = sip({ type: "reply", txn: relay.txn, status: 200, ...sdpBody(sdp) });
    if (method !== "INVITE") return to(rest, answer);
    const acking: Talking = { ...rest, relay: { phase: "acking", by: relay.by, held: !relay.offered } };
    return relay.offered ? to(acking, ack(leg), answer) : to(acking, answer);
  }
  if (status === 491 && method === "INVITE") return onGlare(state, relay, atMs);
  // RFC 3261 §12.2.1.2: its side of the dialog is gone.
  if ((status === 481 || status === 408) && relay.method !== "PRACK")
    return end(rest, {
      atMs,
      cause: "peer-lost",
      before: [reply(relay.txn, 481)],
      byes: [state.leg, state.peer],
    });
  return to(rest, reply(relay.txn, status));
}

/** RFC 3261 §14.1: both sides offered at once. Ours is tried again after a random time; who waits for it is not bothered. */
function onGlare(state: Talking, relay: Extract<Relay, { phase: "asked" }>, atMs: number): UserStep {
  const { by, txn, sdp, glares = 0 } = relay;
  const { relay: _open, ...rest } = state;
  if (glares >= MAX_GLARES) return to(rest, reply(txn, 491));
  const wait = backOff(`${txn}${glares}`, by === state.leg);
  return to(
    { ...rest, relay: { phase: "waiting", by, txn, sdp, glares: glares + 1 } },
    { do: "timer", timer: "glare", atMs: atMs + wait },
  );
}

/** Offers again what met an offer of the other side. */
export function onGlareOver(state: Talking): UserStep {
  const { relay } = state;
  if (relay?.phase === "telling" && relay.waits) return tellAgain(state, relay);
  if (relay?.phase !== "waiting") return to(state);
  const { by, txn, sdp, glares } = relay;
  const offer = sdp === undefined ? {} : { sdp };
  return to(
    {
      ...state,
      relay: { phase: "asked", by, txn, method: "INVITE", offered: sdp !== undefined, glares, ...offer },
    },
    sip({ type: "in-dialog", leg: otherLeg(state, by), method: "INVITE", ...sdpBody(sdp) }),
  );
}

export function onTalkAck(state: Talking, event: EventOf<"ack">): UserStep {
  const media = mediaOf(state, event.leg);
  if (state.policy && media) return adoptMedia(state, onAck(media, state.policy, event), event.atMs);
  const { relay, ...rest } = state;
  if (relay?.phase !== "acking" || relay.by !== event.leg) return to(state);
  return relay.held ? to(rest, ack(otherLeg(state, event.leg), event.sdp)) : to(rest);
}

export function onTalkDescribed(state: Talking, event: EventOf<"described">): UserStep {
  const media = mediaOf(state, event.leg);
  return media ? adoptMedia(state, onDescribed(media, event), event.atMs) : to(state);
}

export function onTalkRefused(state: Talking, event: EventOf<"refused">): UserStep {
  const media = mediaOf(state, event.leg);
  return media ? adoptMedia(state, onRefused(media, event), event.atMs) : to(state);
}

/** A re-INVITE was given up; the edge has answered it. */
export function onTalkCancel(state: Talking, { leg, txn, atMs }: EventOf<"cancel">): UserStep {
  const media = mediaOf(state, leg);
  if (media) return adoptMedia(state, onCancel(media, txn), atMs);
  const { relay, ...rest } = state;
  if (relay?.phase === "waiting" && relay.txn === txn) return to(rest, calm);
  return relay?.phase === "asked" && relay.txn === txn ? to(rest, cancel(otherLeg(state, leg))) : to(state);
}

/** Telephone keys and texts go to the other side; they are answered here, for the other side's answer changes nothing. */
export function onTalkInfo(
  state: Talking,
  { leg, txn, method, body, contentType }: EventOf<"info">,
): UserStep {
  const content = contentType === undefined ? {} : { body, contentType };
  return to(
    state,
    reply(txn, 200),
    sip({ type: "in-dialog", leg: otherLeg(state, leg), method, ...content }),
  );
}

export const onTalkBye = (state: Talking, { leg, txn, atMs }: EventOf<"bye">): UserStep =>
  end(state, {
    atMs,
    cause: leg === state.leg ? "caller-hung-up" : "callee-hung-up",
    before: [reply(txn, 200)],
    byes: [otherLeg(state, leg)],
  });
