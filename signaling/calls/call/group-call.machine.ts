import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import type { GroupPolicy } from "#common/media-control.ts";
import type { TxnId } from "#signaling/sip-port/sip-port.ts";
import type { CallEvent, GroupInvite } from "./call-event.ts";
import { givenUp, sip, unacknowledged, type CallDetail, type Effect, type EndCause } from "./effect.ts";
import {
  askMedia, atRest, descriptionOf, onAck, onCancel, onDescribed, onMoved, onOffer, onRefused, owedTxn, repeatPut, type LegStep, type MediaLeg,
} from "./media-leg.ts"; // prettier-ignore
import type { Referral } from "./referral.ts";

/** A participant's call into a talk group: one SIP leg, one media leg. */
interface Base {
  readonly kind: "group";
  readonly call: string;
  readonly policy: GroupPolicy;
  readonly media: MediaLeg;
  readonly startMs: number;
  /** The trunk that the call came in by: it counts against its limits. */
  readonly trunk?: string;
}

export type GroupCall =
  /** The INVITE is unanswered; the media tier is asked. */
  | (Base & { readonly name: "joining"; readonly txn: TxnId })
  /** 200 is out. */
  | (Base & { readonly name: "joined"; readonly answerMs: number; readonly referral?: Referral })
  /** Over and recorded; the media tier has yet to say that the leg is gone. */
  | (Base & { readonly name: "ended"; readonly tries: number })
  | (Base & { readonly name: "gone" });

type Joined = Extract<GroupCall, { name: "joined" }>;
type Live = Extract<GroupCall, { name: "joining" | "joined" }>;

/** A media request that a dead process may have left undone is repeated after this long, in ms. */
export const MEDIA_RETRY_MS = 10_000;
/** Tries to remove a media leg before it is left to the media tier's own timeout. */
export const CLOSE_TRIES = 5;

const to = (state: GroupCall, ...effects: Effect[]): Step<GroupCall, Effect> => ({ state, effects });

/** The first step of a call that the handler has let in. The edge has said 100. */
export function startGroupCall(call: string, event: GroupInvite): Step<GroupCall, Effect> {
  const { leg, txn, caller, webrtc, sdp, policy, atMs } = event;
  const asked = askMedia({ leg, member: caller, webrtc, revision: 0 }, policy, {
    description: descriptionOf(sdp, webrtc),
    txn,
  });
  const state: GroupCall = {
    kind: "group",
    name: "joining",
    call,
    policy,
    media: asked.leg,
    startMs: atMs,
    txn,
    ...(event.trunk !== undefined && { trunk: event.trunk }),
  };
  return to(state, ...asked.effects);
}

/** Adopts what happened to the media leg of a joined call; a broken exchange ends it with a BYE. */
function joined(state: Joined, result: LegStep, atMs: number): Step<GroupCall, Effect> {
  const next: Joined = { ...state, media: result.leg };
  if (result.broken)
    return end(next, { atMs, cause: "media-refused", before: [bye(next), ...result.effects] });
  // An answer from an ACK is with the media tier and no SIP transaction stands behind it: look again if nobody answers.
  const waits = result.leg.pending !== undefined && result.leg.pending.txn === undefined;
  const waited = state.media.pending !== undefined && state.media.pending.txn === undefined;
  const watch: Effect[] =
    waits === waited
      ? []
      : [{ do: "timer", timer: "media", atMs: waits ? atMs + MEDIA_RETRY_MS : undefined }];
  return to(next, ...result.effects, ...watch);
}

const bye = (state: GroupCall): Effect => sip({ type: "in-dialog", leg: state.media.leg, method: "BYE" });

interface Ending {
  readonly atMs: number;
  readonly cause: EndCause;
  readonly before?: readonly Effect[];
  readonly status?: number;
}

function detailOf(state: Live, { atMs, cause, status = 200 }: Omit<Ending, "before">): Effect {
  const { kind, call, policy, media, startMs, trunk } = state;
  // Whoever took a refusal has not talked.
  const answerMs = state.name === "joined" && cause !== "unavailable" ? state.answerMs : 0;
  const detail: CallDetail = {
    call,
    kind,
    from: media.member.id,
    to: policy.id,
    startMs,
    answerMs,
    endMs: atMs,
    durationMs: answerMs === 0 ? 0 : atMs - answerMs,
    cause,
    status,
    legs: answerMs === 0 ? "" : media.leg,
    ...(trunk !== undefined && { trunk }),
  };
  return { do: "detail", detail };
}

/** Records the call once, and has its media leg removed. */
function end(state: Live, ending: Ending): Step<GroupCall, Effect> {
  const { kind, call, policy, media, startMs } = state;
  const { atMs, before = [] } = ending;
  // A request that waits for the media tier will not be answered by it any more (RFC 3261 §15.1.2).
  const owed = state.name === "joined" ? owedTxn(media) : undefined;
  return to(
    { kind, name: "ended", call, policy, media: atRest(media), startMs, tries: 1 },
    ...before,
    ...(owed === undefined ? [] : [sip({ type: "reply", txn: owed, status: 487 })]),
    detailOf(state, ending),
    { do: "timer", timer: "media", atMs: atMs + MEDIA_RETRY_MS },
    { do: "media", request: { op: "delete", leg: media.leg, group: policy.id } },
  );
}

/**
 * Who sends BYE has left, whatever becomes of this step (RFC 3261 §15.1.1): the media leg goes first, and the call is over
 * with this step. What the media tier has under way it is asked to end in order.
 */
function hangUp(state: Joined, { txn, atMs }: Extract<CallEvent, { type: "bye" }>): Step<GroupCall, Effect> {
  const { kind, call, policy, media, startMs } = state;
  const answered = sip({ type: "reply", txn, status: 200 });
  const ending: Ending = { atMs, cause: "caller-hung-up", before: [answered] };
  if (media.at === undefined || media.pending) return end(state, ending);
  return to(
    { kind, name: "gone", call, policy, media: atRest(media), startMs },
    answered,
    detailOf(state, ending),
    { do: "dismiss", leg: media.leg, from: media.at },
  );
}

/** Nothing that we say before the answer can be changed by an offer. */
const acknowledged = (
  state: Live,
  { txn, sdp }: Extract<CallEvent, { type: "prack" }>,
): Step<GroupCall, Effect> => to(state, sip({ type: "reply", txn, status: sdp === undefined ? 200 : 488 }));

/** A call into a talk group: RFC 3261 §13.3, §14.2, §15.1.2; offer and answer by RFC 3264. */
export const table = {
  joining: {
    described: (state, event) => {
      const result = onDescribed(state.media, event);
      if (result.leg === state.media) return to(state);
      const { kind, call, policy, startMs, trunk } = state;
      const through = trunk === undefined ? {} : { trunk };
      return to(
        { kind, name: "joined", call, policy, media: result.leg, startMs, answerMs: event.atMs, ...through },
        ...result.effects,
      );
    },
    refused: (state, event) => {
      const result = onRefused(state.media, event);
      if (result.leg === state.media) return to(state);
      return end(state, {
        atMs: event.atMs,
        cause: "media-refused",
        before: result.effects,
        status: event.refusal.status,
      });
    },
    // The edge has answered: 200 to the CANCEL, 487 to the INVITE.
    cancel: (state, event) => end(state, { atMs: event.atMs, ...givenUp(event) }),
    "leg-ended": (state, { atMs }) =>
      end(state, {
        atMs,
        cause: "media-lost",
        before: [sip({ type: "reply", txn: state.txn, status: 500 })],
        status: 500,
      }),
    prack: acknowledged,
    "prack-timeout": (state, { atMs }) => end(state, { atMs, cause: "no-prack", status: 504 }),
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
    info: (state, { txn, digit, contentType }) => {
      if (digit === undefined && contentType !== undefined)
        return to(
          state,
          sip({
            type: "reply",
            txn,
            status: 415,
            headers: [["Accept", "application/dtmf-relay, application/dtmf"]],
          }),
        );
      const press: Effect[] =
        digit === undefined
          ? []
          : [{ do: "media", request: { op: "digit", leg: state.media.leg, group: state.policy.id, digit } }];
      return to(state, sip({ type: "reply", txn, status: 200 }), ...press);
    },
    bye: hangUp,
    prack: acknowledged,
    "leg-ended": (state, { atMs }) => end(state, { atMs, cause: "media-lost", before: [bye(state)] }),
    timer: (state, { atMs }) => {
      const again = repeatPut(state.media, state.policy);
      return to(state, ...again, {
        do: "timer",
        timer: "media",
        atMs: again.length === 0 ? undefined : atMs + MEDIA_RETRY_MS,
      });
    },
  },
  ended: {
    closed: (state) => to({ ...state, name: "gone" }, { do: "timer", timer: "media", atMs: undefined }),
    timer: (state, { atMs }) =>
      state.tries >= CLOSE_TRIES
        ? to({ ...state, name: "gone" })
        : to(
            { ...state, tries: state.tries + 1 },
            { do: "timer", timer: "media", atMs: atMs + MEDIA_RETRY_MS },
            { do: "media", request: { op: "delete", leg: state.media.leg, group: state.policy.id } },
          ),
    // Crossed with our BYE (RFC 5407 §3.2).
    bye: (state, { txn }) => to(state, sip({ type: "reply", txn, status: 200 })),
  },
  gone: {},
} satisfies TransitionTable<GroupCall, CallEvent, Effect>;

export const stepGroupCall = stepper<GroupCall, CallEvent, Effect>(table);

/** The effects of the present state, again: what a dead process may not have come to. */
export function repeatGroupCall(state: GroupCall): Effect[] {
  if (state.name === "gone") return [];
  if (state.name === "ended")
    return [{ do: "media", request: { op: "delete", leg: state.media.leg, group: state.policy.id } }];
  return repeatPut(state.media, state.policy);
}
