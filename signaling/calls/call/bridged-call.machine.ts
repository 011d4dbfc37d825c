import { stepper, type TransitionTable } from "#common/machine.ts";
import {
  cancelBranches, end, farewell, hangUp, late, TELL_AGAIN_MS, tellOrigin, to,
  type BridgedCall, type BridgedJoined, type BridgedStep,
} from "./bridged-call.ts"; // prettier-ignore
import { onDialClaimed, onDialResponse, repeatDial, ring, sdpIn } from "./bridged-call-dial.ts";
import type { CallEvent, EventOf } from "./call-event.ts";
import { givenUp, sdpBody, sip, unacknowledged, type Effect } from "./effect.ts";
import { MEDIA_RETRY_MS } from "./group-call.machine.ts";
import { askMedia, atRest, onAck, onCancel, onDescribed, onMoved, onOffer, onRefused, repeatPut, type LegStep } from "./media-leg.ts"; // prettier-ignore

type Moving = Extract<BridgedCall, { name: "moving" }>;

/** RFC 3261 §14.1: whoever owns the Call-ID waits 2.1 to 4 s after a 491, the other less; no side here owns both. */
const GLARE_MS = 2_500;
/** Tries to have a media leg removed, and a partner told, before they are left to their own timeouts. */
const CLOSE_TRIES = 5;

function onMoveResponse(state: Moving, event: EventOf<"response">): BridgedStep {
  const { leg, method, status, sdp, atMs } = event;
  if (leg !== state.sip || method !== "INVITE") return late(state, event);
  if (status < 200) return to(state);
  if (status === 491) return to(state, { do: "timer", timer: "media", atMs: atMs + GLARE_MS });
  if (status >= 300 || sdp === undefined) {
    const answered: Effect[] = status < 300 ? [sip({ type: "ack", leg })] : [];
    return end(state, { atMs, cause: "media-refused", status: status < 300 ? 500 : status, before: [...answered, hangUp(state)] }); // prettier-ignore
  }
  const asked = askMedia(state.media, state.policy, { description: { type: "answer", sdp } });
  const { offer: _offer, ...base } = state;
  const joined: BridgedJoined = { ...base, name: "joined", media: asked.leg };
  return to(
    joined,
    sip({ type: "ack", leg }),
    { do: "timer", timer: "media", atMs: atMs + MEDIA_RETRY_MS },
    ...asked.effects,
    ...tellOrigin(state, 200),
  );
}

const reinvite = (state: Moving): Effect[] =>
  state.offer === undefined
    ? repeatPut(state.media, state.policy)
    : [sip({ type: "in-dialog", leg: state.sip, method: "INVITE", ...sdpBody(state.offer) })];

/** Adopts what happened to the media leg of a joined call. */
function joined(state: BridgedJoined, { leg, effects, broken }: LegStep, atMs: number): BridgedStep {
  const next = { ...state, media: leg };
  if (broken) return end(next, { atMs, cause: "media-refused", before: [hangUp(next), ...effects] });
  const waits = leg.pending !== undefined && leg.pending.txn === undefined;
  const waited = state.media.pending !== undefined && state.media.pending.txn === undefined;
  if (waits === waited) return to(next, ...effects);
  return to(next, ...effects, {
    do: "timer",
    timer: "media",
    atMs: waits ? atMs + MEDIA_RETRY_MS : undefined,
  });
}

const reply = (txn: string, status: number): Effect => sip({ type: "reply", txn, status });
const isOwn = (state: BridgedCall, leg: string): boolean => leg === state.media.leg;

export const table = {
  dialling: {
    described: ring,
    refused: (state, { refusal, atMs }) =>
      end(state, { atMs, cause: "media-refused", status: refusal.status }),
    response: onDialResponse,
    claimed: onDialClaimed,
    timer: (state, { timer, atMs }) =>
      timer === "no-answer"
        ? end(state, { atMs, cause: "no-answer", status: 480, before: cancelBranches(state.branches) })
        : to(state),
    bye: (state, { txn }) => to(state, reply(txn, 200)),
    "leg-ended": (state, { leg, atMs }) =>
      isOwn(state, leg)
        ? end(state, { atMs, cause: "media-lost", status: 500, before: cancelBranches(state.branches) })
        : to(state),
    "partner-ended": (state, { atMs }) =>
      end(state, { atMs, cause: "cancelled", status: 487, before: cancelBranches(state.branches) }),
    partner: (state, { is }) => to({ ...state, partner: is }),
    resume: (state) => to(state, ...tellOrigin(state, state.told ?? 100)),
  },
  joining: {
    described: (state, event) => {
      const result = onDescribed(state.media, event);
      if (result.leg === state.media) return to(state);
      const { txn: _txn, takes, ...base } = state;
      const tell: Effect[] = takes
        ? [{ do: "tell", call: takes.call, event: { type: "taken", leg: takes.leg, by: state.call, policy: state.policy } }]
        : []; // prettier-ignore
      return to(
        { ...base, name: "joined", media: result.leg, answerMs: event.atMs },
        ...result.effects,
        ...tell,
      );
    },
    refused: (state, event) => {
      const result = onRefused(state.media, event);
      if (result.leg === state.media) return to(state);
      return end(state, { atMs: event.atMs, cause: "media-refused", status: event.refusal.status, before: result.effects }); // prettier-ignore
    },
    cancel: (state, event) => end(state, { atMs: event.atMs, ...givenUp(event) }),
    "leg-ended": (state, { leg, atMs }) =>
      isOwn(state, leg)
        ? end(state, { atMs, cause: "media-lost", status: 500, before: [reply(state.txn, 500)] })
        : to(state),
    "partner-ended": (state, { atMs }) =>
      end(state, { atMs, cause: "peer-lost", status: 481, before: [reply(state.txn, 481)] }),
    prack: (state, { txn, sdp }) => to(state, reply(txn, sdp === undefined ? 200 : 488)),
    "prack-timeout": (state, { atMs }) => end(state, { atMs, cause: "no-prack", status: 504 }),
  },
  moving: {
    described: (state, event) => {
      const { media } = state;
      const offer = sdpIn(event.description);
      if (!media.pending || media.revision !== event.revision || offer === undefined) return to(state);
      const next: Moving = { ...state, media: atRest(media), offer };
      return to(next, ...reinvite(next));
    },
    refused: (state, { refusal, atMs }) =>
      end(state, { atMs, cause: "media-refused", status: refusal.status, before: [hangUp(state)] }),
    response: onMoveResponse,
    offer: (state, { txn }) => to(state, reply(txn, 491)),
    info: (state, { txn }) => to(state, reply(txn, 200)),
    bye: (state, { txn, leg, atMs }) =>
      leg === state.sip
        ? end(state, { atMs, cause: "callee-hung-up", before: [reply(txn, 200)] })
        : to(state, reply(txn, 200)),
    "ack-timeout": (state) => to(state),
    "session-expired": (state, { atMs }) => end(state, { atMs, cause: "peer-lost" }),
    "leg-ended": (state, { leg, atMs }) =>
      isOwn(state, leg) ? end(state, { atMs, cause: "media-lost", before: [hangUp(state)] }) : to(state),
    "partner-ended": (state, { atMs }) =>
      end(state, { atMs, cause: "callee-hung-up", before: [hangUp(state)] }),
    partner: (state, { is }) => to({ ...state, partner: is }),
    resume: (state) => to(state, ...tellOrigin(state, 100)),
    timer: (state, { timer }) => (timer === "media" ? to(state, ...reinvite(state)) : to(state)),
  },
  joined: {
    ack: (state, event) => joined(state, onAck(state.media, state.policy, event), event.atMs),
    // RFC 3261 §13.3.1.4; the edge has sent BYE.
    "ack-timeout": (state, event) => end(state, { atMs: event.atMs, ...unacknowledged(event) }),
    "session-expired": (state, { atMs }) => end(state, { atMs, cause: "peer-lost" }),
    offer: (state, event) => joined(state, onOffer(state.media, state.policy, event), event.atMs),
    described: (state, event) => joined(state, onDescribed(state.media, event), event.atMs),
    refused: (state, event) => joined(state, onRefused(state.media, event), event.atMs),
    cancel: (state, { txn, atMs }) => joined(state, onCancel(state.media, txn), atMs),
    moved: (state, event) => joined(state, onMoved(state.media, state.policy, event), event.atMs),
    response: late,
    info: (state, { txn, digit }) => {
      const { media, policy } = state;
      const press: Effect[] =
        digit === undefined
          ? []
          : [{ do: "media", request: { op: "digit", leg: media.leg, group: policy.id, digit } }];
      return to(state, reply(txn, 200), ...press);
    },
    bye: (state, { leg, txn, atMs }) =>
      leg === state.sip
        ? end(state, { atMs, cause: "caller-hung-up", before: [reply(txn, 200)] })
        : to(state, reply(txn, 200)),
    prack: (state, { txn, sdp }) => to(state, reply(txn, sdp === undefined ? 200 : 488)),
    "leg-ended": (state, { leg, atMs }) =>
      isOwn(state, leg) ? end(state, { atMs, cause: "media-lost", before: [hangUp(state)] }) : to(state),
    "partner-ended": (state, { by, atMs }) =>
      by === state.partner
        ? end(state, { atMs, cause: "callee-hung-up", before: [hangUp(state)] })
        : to(state),
    partner: (state, { is }) => to({ ...state, partner: is }),
    resume: (state) => to(state, ...tellOrigin(state, 200)),
    timer: (state, { timer, atMs }) => {
      if (timer !== "media") return to(state);
      const again = repeatPut(state.media, state.policy);
      return to(state, ...again, { do: "timer", timer: "media", atMs: again.length === 0 ? undefined : atMs + MEDIA_RETRY_MS }); // prettier-ignore
    },
  },
  ended: {
    // Until it has told others a second time it stays: the first time may be lost with its process.
    closed: (state) =>
      state.tries < 2 && (state.partner !== undefined || state.origin !== undefined)
        ? to(state)
        : to({ ...state, name: "gone" }, { do: "timer", timer: "media", atMs: undefined }),
    timer: (state, { timer, atMs }) => {
      if (timer !== "media") return to(state);
      if (state.tries >= CLOSE_TRIES) return to({ ...state, name: "gone" });
      const next = { ...state, tries: state.tries + 1 };
      return to(next, { do: "timer", timer: "media", atMs: atMs + TELL_AGAIN_MS }, ...farewell(next));
    },
    response: late,
    resume: (state) => to(state, ...tellOrigin(state, state.status)),
    bye: (state, { txn }) => to(state, reply(txn, 200)),
  },
  gone: {},
} satisfies TransitionTable<BridgedCall, CallEvent, Effect>;

export const stepBridgedCall = stepper<BridgedCall, CallEvent, Effect>(table);

/** The effects of the present state, again: what a dead process may not have come to. */
export function repeatBridgedCall(state: BridgedCall): Effect[] {
  switch (state.name) {
    case "gone":
      return [];
    case "ended":
      return farewell(state);
    case "moving":
      return reinvite(state);
    case "dialling":
      return repeatDial(state);
    case "joining":
    case "joined":
      return repeatPut(state.media, state.policy);
  }
}
