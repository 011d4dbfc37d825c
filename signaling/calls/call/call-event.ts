import type { GroupPolicy, LegAnswer, Member } from "#common/media-control.ts";
import type { CallId, Flow, Headers, LegId, TxnId } from "#signaling/sip-port/sip-port.ts";
import type { Refusal } from "./effect.ts";
import type { Ask } from "./referral.ts";

interface At {
  /** When it was handled, epoch ms. */
  readonly atMs: number;
}

/** A caller who may call, as the handler found out before the call had a record. */
interface Invite extends At {
  readonly leg: LegId;
  readonly txn: TxnId;
  readonly caller: Member;
  /** The caller is a browser: an offer of ours must suit WebRTC. */
  readonly webrtc: boolean;
  /** Undefined: the caller wants our offer. */
  readonly sdp: string | undefined;
  /** The caller can acknowledge provisional responses (RFC 3262). */
  readonly reliable?: boolean;
  /** The trunk that the call came in by. */
  readonly trunk?: string;
}

export interface GroupInvite extends Invite {
  readonly type: "group-invite";
  readonly policy: GroupPolicy;
}

/** One contact of the callee. */
export interface Destination {
  readonly uri: string;
  /** Route to it (RFC 3327). */
  readonly path?: readonly string[];
  readonly flow: Flow;
  readonly webrtc: boolean;
  /** Names the registration, so that a dead one can be forgotten. */
  readonly key: string;
  readonly expiresAtMs: number;
  /** Set for a place outside, reached over a trunk. */
  readonly trunk?: TrunkHop;
}

/** How a call leaves over one address of a trunk's peer. */
export interface TrunkHop {
  /** The trunk, and its peer as provisioning writes it. */
  readonly id: string;
  readonly peer: string;
  /** name-addr of both ends as the carrier is to see them. */
  readonly from: string;
  readonly to: string;
  readonly headers: Headers;
  /** Answers after which the next place is tried. */
  readonly failoverOn: readonly (number | "4xx" | "5xx" | "6xx")[];
  /** How long it may say nothing at all. */
  readonly patienceMs: number;
}

export interface UserInvite extends Invite {
  readonly type: "user-invite";
  readonly callee: Omit<Member, "kind">;
  /** name-addr of both ends as the callee sees them. */
  readonly from: string;
  readonly to: string;
  readonly destinations: readonly Destination[];
  /** Destinations are tried one after the other, not at once. */
  readonly inTurn?: true;
  /** Audio goes through the media tier although both sides are telephones. */
  readonly anchored?: boolean;
  readonly ringMs: number;
}

/** What a PRACK names: its RAck, and the early dialog that it goes to. */
export interface Acknowledgeable {
  readonly rack: string;
  readonly early: string;
}

/** What happens to a call that has a record. */
export type CallEvent = At &
  (
    | { readonly type: "ack"; readonly leg: LegId; readonly sdp: string | undefined }
    /** `refused`: the caller was told 503 although the call went on; see the SIP port. */
    | { readonly type: "ack-timeout"; readonly leg: LegId; readonly refused?: true }
    /**
     * This side wants its media elsewhere, and said so when it was asked for a sign of life; `stood` is what it has been
     * told of the other side.
     */
    | { readonly type: "moved"; readonly leg: LegId; readonly sdp: string; readonly stood: string }
    /** No sign of life of this side; the edge has sent BYE (RFC 4028 §10). */
    | { readonly type: "session-expired"; readonly leg: LegId }
    | { readonly type: "cancel"; readonly leg: LegId; readonly txn: TxnId; readonly refused?: true }
    | { readonly type: "bye"; readonly leg: LegId; readonly txn: TxnId }
    /** re-INVITE, or UPDATE (RFC 3311). */
    | {
        readonly type: "offer";
        readonly method: "INVITE" | "UPDATE";
        readonly leg: LegId;
        readonly txn: TxnId;
        readonly sdp: string | undefined;
      }
    /** The caller acknowledges a reliable provisional response. */
    | { readonly type: "prack"; readonly leg: LegId; readonly txn: TxnId; readonly sdp: string | undefined }
    /** It did not in time, and the edge has refused its INVITE (RFC 3262 §3). */
    | { readonly type: "prack-timeout"; readonly leg: LegId; readonly txn: TxnId }
    /** INFO or MESSAGE inside the dialog; `digit` when it is a telephone key. */
    | {
        readonly type: "info";
        readonly method: "INFO" | "MESSAGE";
        readonly leg: LegId;
        readonly txn: TxnId;
        readonly digit: string | undefined;
        readonly body: string;
        readonly contentType: string | undefined;
      }
    | {
        readonly type: "response";
        readonly leg: LegId;
        readonly method: string;
        readonly status: number;
        readonly local: boolean;
        readonly sdp: string | undefined;
        /** A provisional response that waits for its PRACK. */
        readonly reliable?: Acknowledgeable;
        /** How long the peer wants to be left alone, in s. */
        readonly retryAfterS?: number;
      }
    /** What the limits of a trunk say to a call that is to leave by it. */
    | { readonly type: "claimed"; readonly leg: LegId; readonly claim: "claimed" | "full" | "too-fast" }
    /** The media tier took what it was asked. */
    | {
        readonly type: "described";
        readonly leg: LegId;
        readonly revision: number;
        readonly description: LegAnswer["description"];
        /** The media process that took it. */
        readonly by?: string;
      }
    | { readonly type: "refused"; readonly leg: LegId; readonly revision: number; readonly refusal: Refusal }
    | { readonly type: "closed"; readonly leg: LegId }
    /** The media tier gave up on a leg. */
    | { readonly type: "leg-ended"; readonly leg: LegId }
    | { readonly type: "timer"; readonly timer: string }
    /** A REFER that the handler has let in (RFC 3515); `call` is the other call that it is about. */
    | {
        readonly type: "refer";
        readonly leg: LegId;
        readonly txn: TxnId;
        readonly seq: number;
        readonly silent: boolean;
        readonly call: CallId;
        readonly ask: Ask;
      }
    | Told
  );

/** What calls tell each other. */
export type Told =
  /** What has become of a referral. */
  | { readonly type: "referral"; readonly by: CallId; readonly status: number }
  /** A leg gives way to call `by`; `sdp` is what its caller offered, when it still rings. */
  | {
      readonly type: "taken";
      readonly leg: LegId;
      readonly by: CallId;
      readonly policy: GroupPolicy;
      readonly origin?: CallId;
      readonly sdp?: string | undefined;
    }
  | { readonly type: "partner-ended"; readonly by: CallId }
  | { readonly type: "partner"; readonly is: CallId }
  /** Say again how it stands. */
  | { readonly type: "resume" };

export type EventOf<T extends CallEvent["type"]> = Extract<CallEvent, { type: T }>;
