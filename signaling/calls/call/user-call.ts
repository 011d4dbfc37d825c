import type { Step } from "#common/machine.ts";
import type { GroupPolicy, LegAnswer, Member } from "#common/media-control.ts";
import type { LegId, TxnId } from "#signaling/sip-port/sip-port.ts";
import type { Acknowledgeable, Destination } from "./call-event.ts";
import { sdpBody, sip, type CallDetail, type Effect, type EndCause } from "./effect.ts";
import { MEDIA_RETRY_MS } from "./group-call.machine.ts";
import type { Referral } from "./referral.ts";
import { owedTxn, repeatPut, type LegStep, type MediaLeg } from "./media-leg.ts";
import { claim } from "./trunk-hop.ts";

/** One contact of the callee that is called. */
export interface Branch extends Destination {
  readonly leg: LegId;
  readonly state:
    /** Its trunk is asked whether it has room. */
    | "claiming"
    /** The media tier makes the offer for it. */
    | "offering"
    /** INVITE sent. */
    | "calling"
    /** Answered; its answer is with the media tier. */
    | "accepting"
    | "won"
    /** Failed with `status`, or cancelled. */
    | "over";
  readonly status?: number;
  /** Its answer, when it came in a reliable provisional response that the caller was not told: the 2xx has none. */
  readonly answer?: string;
}

/** A reliable provisional response of a contact that the caller was told reliably; its PRACK follows the caller's. */
export interface Unacknowledged extends Acknowledgeable {
  readonly leg: LegId;
  readonly described: boolean;
}

/** An offer/answer exchange passed on from one side to the other. */
export type Relay =
  /** Sent to the other side; `txn` is answered with what it says. */
  | {
      readonly phase: "asked";
      readonly by: LegId;
      readonly txn: TxnId;
      readonly method: "INVITE" | "UPDATE" | "PRACK";
      readonly offered: boolean;
      /** The offer of a re-INVITE, for another try. */
      readonly sdp?: string;
      /** Times that the other side has answered 491. */
      readonly glares?: number;
    }
  /** The other side was offering too: tried again when the timer `glare` falls due (RFC 3261 §14.1). */
  | {
      readonly phase: "waiting";
      readonly by: LegId;
      readonly txn: TxnId;
      readonly sdp: string | undefined;
      readonly glares: number;
    }
  /**
   * A side has moved its media without being asked by the other, which is told by a re-INVITE of ours; nobody waits for its
   * answer. `waits`: it was offering too. `back`: the answer had moved in its turn, and this tells so.
   */
  | {
      readonly phase: "telling";
      readonly by: LegId;
      readonly sdp: string;
      /** What that side has been told of the other one. */
      readonly stood: string;
      readonly glares: number;
      readonly waits?: true;
      readonly back?: true;
    }
  /** Answered; ACK awaited. `held`: the other side's 2xx waits for the answer in it. */
  | { readonly phase: "acking"; readonly by: LegId; readonly held: boolean };

interface Base {
  readonly kind: "user";
  readonly call: string;
  readonly caller: Member;
  readonly callee: string;
  /** The caller's leg. */
  readonly leg: LegId;
  readonly from: string;
  readonly to: string;
  readonly startMs: number;
  /** Set when both sides' audio goes through the media tier: the group made for this call. */
  readonly policy?: GroupPolicy;
  /** With `policy`: a media leg for each side, and for each contact while it is called. */
  readonly media: readonly MediaLeg[];
  /** Media legs that are on their way out; the media tier has yet to say that they are gone. */
  readonly leaving: readonly LegId[];
  /** The trunk that the call came in by, or that it leaves by: it counts against its limits. */
  readonly trunk?: string;
}

/** A call between two users: a back-to-back user agent that forks to every contact of the callee. */
export type UserCall =
  | (Base & {
      readonly name: "calling";
      readonly txn: TxnId;
      readonly offered: boolean;
      readonly branches: readonly Branch[];
      /** What the media tier says to the caller, kept until the callee answers. */
      readonly answer?: LegAnswer["description"];
      /** Last provisional status the caller was told. */
      readonly told?: number;
      /** The caller can acknowledge provisional responses. */
      readonly reliable?: true;
      /** In the order in which the caller was told. */
      readonly unacknowledged?: readonly Unacknowledged[];
      /** The offer/answer exchange of the INVITE is over before its 2xx, by reliable responses (RFC 3262 §5). */
      readonly agreed?: true;
      /** A PRACK or UPDATE under way between the sides. */
      readonly relay?: Relay;
      /** Places that are tried when those before them did not take the call; set for calls over a trunk alone. */
      readonly later?: readonly Destination[];
      /** With `later`: the caller's offer, when it is passed on. */
      readonly sdp?: string;
    })
  | (Base & {
      readonly name: "talking";
      readonly answerMs: number;
      readonly peer: LegId;
      /** The side that is reached over the trunk: nobody of ours. */
      readonly outside?: LegId;
      readonly relay?: Relay;
      /** A transfer under way. */
      readonly referral?: Referral;
    })
  /** Over and recorded; waits for those that are leaving. */
  | (Base & { readonly name: "ended"; readonly tries: number })
  | (Base & { readonly name: "gone" });

export type Calling = Extract<UserCall, { name: "calling" }>;
export type Talking = Extract<UserCall, { name: "talking" }>;
export type UserStep = Step<UserCall, Effect>;

export const to = (state: UserCall, ...effects: Effect[]): UserStep => ({ state, effects });
export const reply = (txn: TxnId, status: number, headers: [string, string][] = []): Effect =>
  sip({ type: "reply", txn, status, headers });
export const bye = (leg: LegId): Effect => sip({ type: "in-dialog", leg, method: "BYE" });
export const ack = (leg: LegId, sdp?: string): Effect => sip({ type: "ack", leg, ...sdpBody(sdp) });
export const prack = (leg: LegId, { rack, early }: Acknowledgeable, sdp?: string): Effect =>
  sip({ type: "prack", leg, rack, early, ...sdpBody(sdp) });
/** Nothing is to be offered again. */
export const calm: Effect = { do: "timer", timer: "glare", atMs: undefined };
export const cancel = (leg: LegId): Effect => sip({ type: "cancel", leg });

export const otherLeg = (state: Pick<Talking, "leg" | "peer">, leg: LegId): LegId =>
  leg === state.leg ? state.peer : state.leg;
export const mediaOf = (state: UserCall, leg: LegId): MediaLeg | undefined =>
  state.media.find((one) => one.leg === leg);

export const withMedia = <S extends UserCall>(state: S, leg: MediaLeg): S => ({
  ...state,
  media: state.media.map((one) => (one.leg === leg.leg ? leg : one)),
});

export const withBranch = (state: Calling, branch: Branch): Calling => ({
  ...state,
  branches: state.branches.map((one) => (one.leg === branch.leg ? branch : one)),
});

const deletions = (legs: readonly LegId[], policy: GroupPolicy | undefined): Effect[] =>
  policy ? legs.map((leg) => ({ do: "media", request: { op: "delete", leg, group: policy.id } })) : [];

/** Has media legs removed. */
export function removeMedia<S extends UserCall>(
  state: S,
  gone: ReadonlySet<LegId>,
): { state: S; effects: Effect[] } {
  const legs = state.media.filter(({ leg }) => gone.has(leg)).map(({ leg }) => leg);
  if (legs.length === 0) return { state, effects: [] };
  const media = state.media.filter(({ leg }) => !gone.has(leg));
  return {
    state: { ...state, media, leaving: [...state.leaving, ...legs] },
    effects: deletions(legs, state.policy),
  };
}

/** One contact is called, and no other was called beside it: what it says may go through as it is. */
export const isAlone = ({ branches, later }: Calling): boolean =>
  branches.length === 1 || later !== undefined;

/** Gives up the contacts that are still called, but one. */
export function giveUpOthers(state: Calling, winner?: LegId): { state: Calling; effects: Effect[] } {
  const others = state.branches.filter((branch) => branch.leg !== winner && branch.state !== "over");
  const gone = new Set(others.map(({ leg }) => leg));
  const branches = state.branches.map((branch): Branch =>
    gone.has(branch.leg) ? { ...branch, state: "over" } : branch,
  );
  const removed = removeMedia({ ...state, branches }, gone);
  const told = others.flatMap((branch) => {
    if (branch.state === "calling") return cancel(branch.leg);
    // It has answered and is not settled with the media tier.
    return branch.state === "offering" || branch.state === "claiming" ? [] : bye(branch.leg);
  });
  return { state: removed.state, effects: [...told, ...removed.effects] };
}

export interface Ending {
  readonly atMs: number;
  readonly cause: EndCause;
  /** What the caller was told when the call was never answered. */
  readonly status?: number;
  readonly before?: readonly Effect[];
  /** Legs of an answered call to hang up. */
  readonly byes?: readonly LegId[];
}

/** Records the call once and takes down whatever of it still stands. */
export function end(
  state: Calling | Talking,
  { atMs, cause, status = 200, before = [], byes = [] }: Ending,
): UserStep {
  const { kind, call, caller, callee, leg, from, to: dialled, startMs, policy } = state;
  // Whoever took a refusal has not talked.
  const answerMs = state.name === "talking" && cause !== "unavailable" ? state.answerMs : 0;
  const detail: CallDetail = {
    call, kind, from: caller.id, to: callee, startMs, answerMs, endMs: atMs, durationMs: answerMs === 0 ? 0 : atMs - answerMs,
    cause, status, legs: state.name === "talking" && answerMs > 0 ? `${leg} ${state.peer}` : "", ...(state.trunk !== undefined && { trunk: state.trunk }),
  }; // prettier-ignore
  const owed = unanswered(state, byes);
  const others = state.name === "calling" ? giveUpOthers(state) : { state, effects: [] };
  const rest = { state: others.state, effects: [...owed, ...others.effects] };
  const removed = removeMedia(rest.state, new Set(rest.state.media.map((one) => one.leg)));
  const { leaving } = removed.state;
  const base = {
    kind,
    call,
    caller,
    callee,
    leg,
    from,
    to: dialled,
    startMs,
    media: [],
    leaving,
    ...(policy && { policy }),
  };
  const effects: Effect[] = [...before, ...rest.effects, ...byes.map(bye), { do: "detail", detail }];
  if (state.name === "calling") effects.push({ do: "timer", timer: "no-answer", atMs: undefined });
  if (leaving.length === 0) return to({ ...base, name: "gone" }, ...effects);
  const watch: Effect = { do: "timer", timer: "media", atMs: atMs + MEDIA_RETRY_MS };
  return to({ ...base, name: "ended", tries: 1 }, ...effects, watch, ...removed.effects);
}

/** Requests that wait for an answer which will not come now, and a 2xx that was held back (RFC 3261 §13.2.2.4, §15.1.2). */
function unanswered(state: Calling | Talking, byes: readonly LegId[]): Effect[] {
  const owed = state.name === "calling" ? [] : state.media.flatMap((one) => owedTxn(one) ?? []);
  const { relay } = state;
  if (relay?.phase === "asked" || relay?.phase === "waiting") owed.push(relay.txn);
  const held =
    state.name === "talking" && relay?.phase === "acking" && relay.held
      ? otherLeg(state, relay.by)
      : undefined;
  return [
    ...owed.map((txn) => reply(txn, 487)),
    ...(relay?.phase === "waiting" ? [calm] : []),
    ...(held !== undefined && byes.includes(held) ? [ack(held)] : []),
  ];
}

/** No SIP transaction stands behind these requests to the media tier: somebody must look again if nobody answers. */
const waitsForMedia = ({ leaving, media }: UserCall): boolean =>
  leaving.length > 0 || media.some(({ pending }) => pending !== undefined && pending.txn === undefined);

/** Arms the timer `media` of an answered call when it begins to wait for the media tier, and disarms it when it has what it wanted. */
export function watchMedia(before: Talking | undefined, after: Talking, atMs: number): Effect[] {
  const waits = waitsForMedia(after);
  if (waits === (before !== undefined && waitsForMedia(before))) return [];
  return [{ do: "timer", timer: "media", atMs: waits ? atMs + MEDIA_RETRY_MS : undefined }];
}

/** The media tier says that a leg is gone. */
export const forgetLeaving = <S extends UserCall>(state: S, leg: LegId): S => ({
  ...state,
  leaving: state.leaving.filter((one) => one !== leg),
});

/** The effects of the present state, again: what a dead process may not have come to. */
export function repeatUserCall(state: UserCall): Effect[] {
  const { policy, media, leaving } = state;
  const claims =
    state.name === "calling"
      ? state.branches.flatMap((branch) => (branch.state === "claiming" ? claim(branch) : []))
      : [];
  return policy
    ? [...claims, ...media.flatMap((leg) => repeatPut(leg, policy)), ...deletions(leaving, policy)]
    : claims;
}

/** Times that one re-INVITE is tried again after 491; then its sender is told. */
export const MAX_GLARES = 3;

/**
 * RFC 3261 §14.1: in units of 10 ms, 2.1 to 4 s for whoever made the Call-ID, else up to 2 s. The Call-ID of the callee's leg
 * is ours. Drawn from the transaction, so that a step done again waits as long.
 */
export function backOff(seed: string, towardsCallee: boolean): number {
  let hash = 0;
  for (let at = 0; at < seed.length; at++) hash = (hash * 31 + seed.charCodeAt(at)) >>> 0;
  return towardsCallee ? 2_100 + (hash % 191) * 10 : (hash % 201) * 10;
}

/** Adopts what happened to one side's media leg. */
export function adoptMedia(state: Talking, { leg, effects, broken }: LegStep, atMs: number): UserStep {
  const next = withMedia(state, leg);
  if (broken)
    return end(next, { atMs, cause: "media-refused", before: effects, byes: [state.leg, state.peer] });
  return to(next, ...effects, ...watchMedia(state, next, atMs));
}
