import type { Description, GroupPolicy, LegRequest, Member } from "#common/media-control.ts";
import type { CallId, LegId, SipCommand } from "#signaling/sip-port/sip-port.ts";
import type { DialPlan } from "./bridged-call.ts";
import type { Told } from "./call-event.ts";

/** What a call machine wants done, in order. SIP, detail and timer are part of the step's commit; the rest runs after it, but for `dismiss`. */
export type Effect =
  | { readonly do: "sip"; readonly command: SipCommand }
  /** Its outcome comes back as `described`, `refused` or `closed`. Idempotent by leg and revision. */
  | { readonly do: "media"; readonly request: MediaRequest }
  /**
   * Who speaks over this leg has hung up: the media process that has it is told before the step is committed, so that nobody
   * needs to look again whether it was.
   */
  | { readonly do: "dismiss"; readonly leg: LegId; readonly from: string }
  | { readonly do: "timer"; readonly timer: CallTimer; readonly atMs: number | undefined }
  | { readonly do: "detail"; readonly detail: CallDetail }
  /** Asks whether the trunk has room for the call; comes back as `claimed`. Idempotent. */
  | { readonly do: "claim"; readonly trunk: string; readonly leg: LegId }
  /** A peer of a trunk did not take a call: others need not find out for themselves. */
  | { readonly do: "avoid"; readonly trunk: string; readonly peer: string; readonly seconds: number }
  /** To another call, at least once. */
  | { readonly do: "tell"; readonly call: CallId; readonly event: Told }
  /** Begins another call, or asks it how it stands. */
  | { readonly do: "dial"; readonly call: CallId; readonly plan: DialPlan }
  /** The connection of a registered contact is gone. */
  | { readonly do: "unbind"; readonly user: string; readonly key: string; readonly expiresAtMs: number };

export type MediaRequest =
  | { readonly op: "put"; readonly leg: LegId; readonly body: LegRequest }
  | { readonly op: "delete"; readonly leg: LegId; readonly group: string }
  | { readonly op: "digit"; readonly leg: LegId; readonly group: string; readonly digit: string };

/** `referral`: remind the other call. `no-answer`: the callee did not pick up. `media`: look again at what the media tier was asked. `glare`: offer again. */
export type CallTimer = "no-answer" | "media" | "glare" | "referral";

/** One call detail record, written once for each call that was routed. */
export interface CallDetail extends Readonly<Record<string, string | number>> {
  readonly call: string;
  readonly kind: "group" | "user";
  readonly from: string;
  readonly to: string;
  readonly startMs: number;
  /** 0 when it was not answered. */
  readonly answerMs: number;
  readonly endMs: number;
  /** From answer to end; 0 when it was not answered. */
  readonly durationMs: number;
  readonly cause: EndCause;
  /** SIP status that ended an unanswered call; 200 for an answered one. */
  readonly status: number;
  /** Leg ids that were answered, separated by spaces. */
  readonly legs: string;
  /** The trunk that the call came or left by. */
  readonly trunk?: string;
}

export type EndCause =
  | "caller-hung-up" | "callee-hung-up" | "cancelled" | "rejected" | "no-answer" | "no-ack" | "no-prack" | "media-refused" | "media-lost" | "peer-lost" | "trunk-full"
  /** The caller was told 503, for Redis was away or an instance overloaded, and yet the call had begun. */
  | "unavailable"; // prettier-ignore

/** How an INVITE ends that its caller waits for no longer. */
export const givenUp = ({ refused }: { readonly refused?: true }): { cause: EndCause; status: number } =>
  refused ? { cause: "unavailable", status: 503 } : { cause: "cancelled", status: 487 };

/** How an answered call ends whose caller does not acknowledge the answer. */
export const unacknowledged = ({
  refused,
}: {
  readonly refused?: true;
}): { cause: EndCause; status: number } =>
  refused ? { cause: "unavailable", status: 503 } : { cause: "no-ack", status: 200 };

export const sip = (command: SipCommand): Effect => ({ do: "sip", command });

export const SDP = "application/sdp";

/** The content of a command that carries a session description, when there is one. */
export const sdpBody = (sdp: string | undefined): { body?: string; contentType?: string } =>
  sdp === undefined || sdp === "" ? {} : { body: sdp, contentType: SDP };

export function put(
  leg: LegId, member: Member, group: GroupPolicy, revision: number, description: Description,
): Effect {
  return { do: "media", request: { op: "put", leg, body: { revision, group, member, description } } };
} // prettier-ignore

/** Why the media tier would not: what the peer is told (RFC 3261 §21.4.26, §20.43, §20.33). */
export interface Refusal {
  readonly status: 400 | 488 | 500 | 503;
  readonly warning?: string;
  readonly retryAfterS?: number;
}

export function refusalReply(txn: string, { status, warning, retryAfterS }: Refusal): Effect {
  const headers: [string, string][] = [];
  if (warning !== undefined)
    headers.push(["Warning", `305 crossband "${warning.replace(/[^\x20-\x7e]|["\\]/g, "'")}"`]);
  if (retryAfterS !== undefined) headers.push(["Retry-After", String(retryAfterS)]);
  return sip({ type: "reply", txn, status, headers });
}
