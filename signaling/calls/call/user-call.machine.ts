import { stepper, type TransitionTable } from "#common/machine.ts";
import type { CallEvent } from "./call-event.ts";
import { givenUp, unacknowledged, type Effect } from "./effect.ts";
import { CLOSE_TRIES, MEDIA_RETRY_MS } from "./group-call.machine.ts";
import { onEarlyOffer, onEarlyResponse, onNoPrack, onPrack, onTalkNoPrack } from "./user-call-early.ts";
import { onInviteResponse, onNoAnswer, onSetupDescribed, onSetupRefused } from "./user-call-setup.ts";
import { onTalkMoved } from "./user-call-moved.ts";
import { onClaimed } from "./user-call-turns.ts";
import {
  onGlareOver,
  onTalkAck,
  onTalkBye,
  onTalkCancel,
  onTalkDescribed,
  onTalkInfo,
  onTalkOffer,
  onTalkRefused,
  onTalkResponse,
} from "./user-call-talk.ts";
import {
  ack,
  bye,
  end,
  forgetLeaving,
  otherLeg,
  repeatUserCall,
  reply,
  to,
  watchMedia,
  type UserCall,
} from "./user-call.ts";

/** A call between users: RFC 3261 §13 to §16.7 as a back-to-back user agent sees them. */
export const table = {
  calling: {
    described: onSetupDescribed,
    closed: (state, { leg }) => to(forgetLeaving(state, leg)),
    refused: onSetupRefused,
    response: (state, event) =>
      event.method === "INVITE" ? onInviteResponse(state, event) : onEarlyResponse(state, event),
    prack: onPrack,
    "prack-timeout": onNoPrack,
    claimed: onClaimed,
    timer: (state, { timer, atMs }) => (timer === "no-answer" ? onNoAnswer(state, atMs) : to(state)),
    // The edge has answered: 200 to the CANCEL, 487 to the INVITE.
    cancel: (state, event) => end(state, { atMs: event.atMs, ...givenUp(event) }),
    bye: (state, { leg, txn, atMs }) => {
      // RFC 3261 §15: a caller may end an early dialog so; a callee that answered may hang up before the caller is told.
      const [cause, status] =
        leg === state.leg ? (["cancelled", 487] as const) : (["rejected", 480] as const);
      const branches = state.branches.map((branch) =>
        branch.leg === leg ? { ...branch, state: "over" as const } : branch,
      );
      return end(
        { ...state, branches },
        { atMs, cause, status, before: [reply(txn, 200), reply(state.txn, status)] },
      );
    },
    offer: onEarlyOffer,
    info: (state, { txn }) => to(state, reply(txn, 200)),
    "ack-timeout": (state) => to(state),
    "leg-ended": (state, { leg, atMs }) => {
      const answered = state.branches.some(
        (branch) => branch.leg === leg && (branch.state === "accepting" || branch.state === "won"),
      );
      if (leg !== state.leg && !answered) return to(state);
      return end(state, { atMs, cause: "media-lost", status: 500, before: [reply(state.txn, 500)] });
    },
  },
  talking: {
    ack: onTalkAck,
    closed: (state, { leg, atMs }) => {
      const next = forgetLeaving(state, leg);
      return to(next, ...watchMedia(state, next, atMs));
    },
    offer: onTalkOffer,
    response: onTalkResponse,
    described: onTalkDescribed,
    refused: onTalkRefused,
    cancel: onTalkCancel,
    moved: onTalkMoved,
    info: onTalkInfo,
    // The callee was faster than the caller's PRACK.
    prack: (state, { txn, sdp }) => to(state, reply(txn, sdp === undefined ? 200 : 488)),
    "prack-timeout": onTalkNoPrack,
    bye: onTalkBye,
    // RFC 3261 §13.3.1.4; the edge has sent BYE on this leg.
    "ack-timeout": (state, event) =>
      end(state, { atMs: event.atMs, ...unacknowledged(event), byes: [otherLeg(state, event.leg)] }),
    "session-expired": (state, { leg, atMs }) =>
      end(state, { atMs, cause: "peer-lost", byes: [otherLeg(state, leg)] }),
    "leg-ended": (state, { leg, atMs }) =>
      state.media.some((one) => one.leg === leg)
        ? end(state, { atMs, cause: "media-lost", byes: [state.leg, state.peer] })
        : to(state),
    timer: (state, { timer, atMs }) => {
      if (timer === "glare") return onGlareOver(state);
      if (timer !== "media") return to(state);
      const again = repeatUserCall(state);
      return to(state, ...again, {
        do: "timer",
        timer: "media",
        atMs: again.length === 0 ? undefined : atMs + MEDIA_RETRY_MS,
      });
    },
  },
  ended: {
    closed: (state, { leg }) => {
      const next = forgetLeaving(state, leg);
      return next.leaving.length > 0
        ? to(next)
        : to({ ...next, name: "gone" }, { do: "timer", timer: "media", atMs: undefined });
    },
    timer: (state, { timer, atMs }) => {
      if (timer !== "media") return to(state);
      if (state.tries >= CLOSE_TRIES) return to({ ...state, name: "gone" });
      const again: Effect = { do: "timer", timer: "media", atMs: atMs + MEDIA_RETRY_MS };
      return to({ ...state, tries: state.tries + 1 }, again, ...repeatUserCall(state));
    },
    response: (state, { leg, method, status }) =>
      method === "INVITE" && status >= 200 && status < 300 ? to(state, ack(leg), bye(leg)) : to(state),
    // Crossed with ours (RFC 5407 §3.2).
    bye: (state, { txn }) => to(state, reply(txn, 200)),
  },
  gone: {},
} satisfies TransitionTable<UserCall, CallEvent, Effect>;

export const stepUserCall = stepper<UserCall, CallEvent, Effect>(table);
