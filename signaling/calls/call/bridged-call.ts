import type { Step } from "#common/machine.ts";
import type { GroupPolicy, Member } from "#common/media-control.ts";
import type { CallId, LegId, TxnId } from "#signaling/sip-port/sip-port.ts";
import type { Destination, EventOf } from "./call-event.ts";
import { sip, type CallDetail, type Effect, type EndCause } from "./effect.ts";
import { atRest, owedTxn, type MediaLeg } from "./media-leg.ts";
import type { Referral } from "./referral.ts";

/**
 * One leg whose other side is the leg of another record, or a talk group: what is left of a call after a transfer, a call
 * that a referral made, and a call that took the place of another (RFC 3515, 3891). Both sides meet in a group of the media
 * tier, so each side's re-INVITEs are its own affair, and who hangs up tells its partner.
 */
interface Base {
  readonly kind: "bridged";
  readonly call: CallId;
  readonly policy: GroupPolicy;
  /** Its name in the media tier may differ from the SIP leg's: it is new in a call that has moved. */
  readonly media: MediaLeg;
  readonly sip: LegId;
  /** The trunk that its leg goes over: it counts against its limits. */
  readonly trunk?: string;
  /** Ends with this one; none in a talk group. */
  readonly partner?: CallId;
  /** Whose referral made this call, and is told what becomes of it. */
  readonly origin?: CallId;
  /** Referrals that led to this call. */
  readonly depth: number;
  readonly startMs: number;
  /** What the detail record says. */
  readonly parties: { readonly kind: CallDetail["kind"]; readonly from: string; readonly to: string };
}

export interface DialBranch extends Destination {
  readonly leg: LegId;
  /** `claiming`: its trunk is asked whether it has room. */
  readonly state: "claiming" | "calling" | "over";
  readonly status?: number;
}

export type BridgedCall =
  /** We call somebody: the offer is asked of the media tier, then every contact rings with it. */
  | (Base & {
      readonly name: "dialling";
      readonly from: string;
      readonly to: string;
      readonly ringMs: number;
      readonly referredBy: string;
      readonly branches: readonly DialBranch[];
      readonly told?: number;
      /** Places outside that are tried when those before them did not take the call; set for calls over a trunk alone. */
      readonly later?: readonly Destination[];
      /** With `later`: the media tier's offer, for each of them. */
      readonly offer?: string;
    })
  /** An INVITE waits for the media tier. `takes`: the leg whose place it takes. */
  | (Base & {
      readonly name: "joining";
      readonly txn: TxnId;
      readonly takes?: { readonly call: CallId; readonly leg: LegId };
    })
  /** A leg that has talked elsewhere is given a new description by re-INVITE. */
  | (Base & { readonly name: "moving"; readonly answerMs: number; readonly offer?: string })
  | (Base & { readonly name: "joined"; readonly answerMs: number; readonly referral?: Referral })
  /** Over and recorded. `status` is what the origin is told. */
  | (Base & { readonly name: "ended"; readonly tries: number; readonly status: number })
  | (Base & { readonly name: "gone" });

export type BridgedJoined = Extract<BridgedCall, { name: "joined" }>;
export type BridgedLive = Exclude<BridgedCall, { name: "ended" | "gone" }>;
export type BridgedStep = Step<BridgedCall, Effect>;

/** What a referral, or the call that it is for, asks to be dialled. Idempotent by the id of the call. */
export interface DialPlan {
  readonly policy: GroupPolicy;
  readonly partner?: CallId;
  readonly origin: CallId;
  readonly depth: number;
  readonly callee: Omit<Member, "kind">;
  /** name-addr of both ends as the callee sees them. */
  readonly from: string;
  readonly to: string;
  readonly destinations: readonly Destination[];
  /** Destinations are places outside and tried one after the other. */
  readonly inTurn?: true;
  readonly ringMs: number;
  readonly parties: Base["parties"];
  /** name-addr of who referred (RFC 3892). */
  readonly referredBy: string;
}

/** Referrals in a row, each out of a call that the one before it made. */
export const MAX_DEPTH = 5;
/** A partner that was told when a process died is told again after so long, in ms. */
export const TELL_AGAIN_MS = 2_000;
/** Number of the media leg of a leg that has moved: none that a fork has. */
const MOVED = 100;

export const movedLeg = (call: CallId): LegId => `${call}.${MOVED}`;

export const to = (state: BridgedCall, ...effects: readonly Effect[]): BridgedStep => ({ state, effects });

/** Tells the call that referred to this one how it stands. */
export const tellOrigin = ({ origin, call }: Base, status: number): Effect[] =>
  origin === undefined ? [] : [{ do: "tell", call: origin, event: { type: "referral", by: call, status } }];

const tellPartner = ({ partner, call }: Base): Effect[] =>
  partner === undefined ? [] : [{ do: "tell", call: partner, event: { type: "partner-ended", by: call } }];

/** What an ended call still owes to others. */
export const farewell = (state: Extract<BridgedCall, { name: "ended" }>): Effect[] => [
  { do: "media", request: { op: "delete", leg: state.media.leg, group: state.policy.id } },
  ...tellPartner(state),
  ...tellOrigin(state, state.status),
];

export interface BridgedEnding {
  readonly atMs: number;
  readonly cause: EndCause;
  readonly status?: number;
  readonly before?: readonly Effect[];
  /** Its partner goes on with another call. */
  readonly quietly?: boolean;
}

/** Records the call once, has its media leg removed and tells its partner. */
export function end(
  state: BridgedLive,
  { atMs, cause, status = 200, before = [], quietly = false }: BridgedEnding,
): BridgedStep {
  const { kind, call, policy, media, sip: leg, partner, origin, depth, startMs, parties } = state;
  // Whoever took a refusal has not talked.
  const answerMs = "answerMs" in state && cause !== "unavailable" ? state.answerMs : 0;
  const detail: CallDetail = {
    call, ...parties, startMs, answerMs, endMs: atMs, durationMs: answerMs === 0 ? 0 : atMs - answerMs, cause, status,
    legs: answerMs === 0 ? "" : leg, ...(state.trunk !== undefined && { trunk: state.trunk }),
  }; // prettier-ignore
  const owed = state.name === "joined" ? owedTxn(media) : undefined;
  const ended: BridgedCall = {
    kind, name: "ended", call, policy, media: atRest(media), sip: leg, depth, startMs, parties, tries: 1, status,
    ...(partner !== undefined && !quietly && { partner }), ...(origin !== undefined && { origin }),
  }; // prettier-ignore
  return to(
    ended,
    ...before,
    ...(owed === undefined ? [] : [sip({ type: "reply", txn: owed, status: 487 })]),
    { do: "detail", detail },
    { do: "timer", timer: "no-answer", atMs: undefined },
    { do: "timer", timer: "referral", atMs: undefined },
    { do: "timer", timer: "media", atMs: atMs + TELL_AGAIN_MS },
    ...farewell(ended),
  );
}

export const hangUp = (state: BridgedLive): Effect =>
  sip({ type: "in-dialog", leg: state.sip, method: "BYE" });

/** The others that ring are given up. */
export const cancelBranches = (branches: readonly DialBranch[], but?: LegId): Effect[] =>
  branches
    .filter(({ leg, state }) => state === "calling" && leg !== but)
    .map(({ leg }) => sip({ type: "cancel", leg }));

/** A contact that was given up but answered all the same (RFC 3261 §9.1), or a 2xx of ours that nobody waits for. */
export function late(state: BridgedCall, { leg, method, status }: EventOf<"response">): BridgedStep {
  if (method !== "INVITE" || status < 200 || status >= 300) return to(state);
  if (leg === state.sip && state.name !== "ended") return to(state, sip({ type: "ack", leg }));
  return to(state, sip({ type: "ack", leg }), sip({ type: "in-dialog", leg, method: "BYE" }));
}
