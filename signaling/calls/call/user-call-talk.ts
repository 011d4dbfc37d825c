import type { EventOf } from "./call-event.ts";
import { sdpBody, sip } from "./effect.ts";
import { onAck, onCancel, onDescribed, onOffer, onRefused, type LegStep } from "./media-leg.ts";
import {
  ack,
  bye,
  cancel,
  end,
  mediaOf,
  otherLeg,
  reply,
  to,
  watchMedia,
  withMedia,
  type Talking,
  type UserStep,
} from "./user-call.ts";

/** re-INVITE or UPDATE: answered by the media tier when it has the audio, else by the other side. */
export function onTalkOffer(state: Talking, event: EventOf<"offer">): UserStep {
  const media = mediaOf(state, event.leg);
  if (state.policy && media) return adopt(state, onOffer(media, state.policy, event), event.atMs);
  const { leg, txn, method, sdp } = event;
  const { relay } = state;
  if (relay?.phase === "asked") {
    // RFC 3261 §14.2: the same side has not waited for its answer; the other side crossed with it.
    return to(state, relay.by === leg ? reply(txn, 500, [["Retry-After", "1"]]) : reply(txn, 491));
  }
  if (relay?.phase === "acking" && relay.held) return to(state, reply(txn, 491));
  if (method === "UPDATE" && sdp === undefined) return to(state, reply(txn, 200));
  return to(
    { ...state, relay: { phase: "asked", by: leg, txn, method, offered: sdp !== undefined } },
    sip({ type: "in-dialog", leg: otherLeg(state, leg), method, ...sdpBody(sdp) }),
  );
}

/** What the other side says to a re-INVITE or UPDATE that was passed on. */
export function onTalkResponse(
  state: Talking,
  { leg, method, status, sdp, atMs }: EventOf<"response">,
): UserStep {
  const success = status >= 200 && status < 300;
  if (leg !== state.leg && leg !== state.peer) {
    // A contact that was given up but answered all the same (RFC 3261 §9.1).
    return method === "INVITE" && success ? to(state, ack(leg), bye(leg)) : to(state);
  }
  const { relay, ...rest } = state;
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
  // RFC 3261 §12.2.1.2: its side of the dialog is gone.
  if (status === 481 || status === 408)
    return end(rest, {
      atMs,
      cause: "peer-lost",
      before: [reply(relay.txn, 481)],
      byes: [state.leg, state.peer],
    });
  return to(rest, reply(relay.txn, status));
}

export function onTalkAck(state: Talking, event: EventOf<"ack">): UserStep {
  const media = mediaOf(state, event.leg);
  if (state.policy && media) return adopt(state, onAck(media, state.policy, event), event.atMs);
  const { relay, ...rest } = state;
  if (relay?.phase !== "acking" || relay.by !== event.leg) return to(state);
  return relay.held ? to(rest, ack(otherLeg(state, event.leg), event.sdp)) : to(rest);
}

export function onTalkDescribed(state: Talking, event: EventOf<"described">): UserStep {
  const media = mediaOf(state, event.leg);
  return media ? adopt(state, onDescribed(media, event), event.atMs) : to(state);
}

export function onTalkRefused(state: Talking, event: EventOf<"refused">): UserStep {
  const media = mediaOf(state, event.leg);
  return media ? adopt(state, onRefused(media, event), event.atMs) : to(state);
}

/** A re-INVITE was given up; the edge has answered it. */
export function onTalkCancel(state: Talking, { leg, txn, atMs }: EventOf<"cancel">): UserStep {
  const media = mediaOf(state, leg);
  if (media) return adopt(state, onCancel(media, txn), atMs);
  const { relay, ...rest } = state;
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

/** Adopts what happened to one side's media leg. */
function adopt(state: Talking, { leg, effects, broken }: LegStep, atMs: number): UserStep {
  const next = withMedia(state, leg);
  if (broken)
    return end(next, { atMs, cause: "media-refused", before: effects, byes: [state.leg, state.peer] });
  return to(next, ...effects, ...watchMedia(state, next, atMs));
}
