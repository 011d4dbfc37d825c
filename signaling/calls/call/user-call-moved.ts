import { mediaPlaceOf } from "#signaling/edge/dialog/media-place.ts";
import type { EventOf } from "./call-event.ts";
import { sdpBody, sip } from "./effect.ts";
import { onMoved } from "./media-leg.ts";
import {
  ack, adoptMedia, backOff, end, mediaOf, otherLeg, to, MAX_GLARES, type Relay, type Talking, type UserStep,
} from "./user-call.ts"; // prettier-ignore

type Telling = Extract<Relay, { phase: "telling" }>;

/** A side answered a refresh with another place for its media: whoever sends there is told (RFC 3264 §8). */
export function onTalkMoved(state: Talking, event: EventOf<"moved">): UserStep {
  const media = mediaOf(state, event.leg);
  if (state.policy && media) return adoptMedia(state, onMoved(media, state.policy, event), event.atMs);
  const { leg, sdp, stood } = event;
  // An exchange between the sides under way tells it as well: in the offer of this one, or in its answer.
  const { relay } = state;
  if (relay && (relay.phase !== "acking" || relay.held)) return to(state);
  return tell(state, { phase: "telling", by: leg, sdp, stood, glares: 0 });
}

/** What the other side says to that. */
export function onTold(
  state: Talking,
  relay: Telling,
  { leg, status, sdp, atMs }: EventOf<"response">,
): UserStep {
  const { relay: _told, ...rest } = state;
  if (status < 200) return to(state);
  if (status < 300) {
    const answered = to(rest, ack(leg));
    if (relay.back || sdp === undefined || mediaPlaceOf(sdp) === mediaPlaceOf(relay.stood)) return answered;
    const back = tell(rest, { phase: "telling", by: leg, sdp, stood: relay.sdp, glares: 0, back: true });
    return { ...back, effects: [...answered.effects, ...back.effects] };
  }
  if (status === 481 || status === 408)
    return end(rest, { atMs, cause: "peer-lost", byes: [state.leg, state.peer] });
  if (status !== 491 || relay.glares >= MAX_GLARES) return to(rest);
  const wait = backOff(`${relay.by}${relay.glares}`, relay.by === state.leg);
  return to(
    { ...rest, relay: { ...relay, waits: true, glares: relay.glares + 1 } },
    { do: "timer", timer: "glare", atMs: atMs + wait },
  );
}

/** Tells it again after a glare. */
export function tellAgain(state: Talking, { waits: _over, ...relay }: Telling): UserStep {
  return tell(state, relay);
}

const tell = (state: Talking, relay: Telling): UserStep =>
  to(
    { ...state, relay },
    sip({ type: "in-dialog", leg: otherLeg(state, relay.by), method: "INVITE", ...sdpBody(relay.sdp) }),
  );
