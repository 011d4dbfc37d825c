import type { Description, GroupPolicy, LegAnswer, Member } from "#common/media-control.ts";
import type { LegId, TxnId } from "#signaling/sip-port/sip-port.ts";
import type { EventOf } from "./call-event.ts";
import { put, refusalReply, sdpBody, sip, type Effect } from "./effect.ts";

/** A leg whose audio goes through the media tier, and where its offer/answer exchange stands (RFC 3264). */
export interface MediaLeg {
  readonly leg: LegId;
  readonly member: Member;
  readonly webrtc: boolean;
  /** Grows with each request to the media tier. */
  readonly revision: number;
  /** The media process that has it. */
  readonly at?: string;
  /** A description is with the media tier; `txn` is answered by what comes back. */
  readonly pending?: {
    readonly description: Description;
    readonly txn?: TxnId;
    readonly method?: "INVITE" | "UPDATE";
    /** Without it the leg stays as it was. */
    readonly optional?: true;
  };
  /** Our 2xx is out and its ACK brings the answer to our offer, or nothing more. */
  readonly acking?: "answer" | "nothing";
}

export interface LegStep {
  readonly leg: MediaLeg;
  readonly effects: readonly Effect[];
  /** The exchange failed in a way that the dialog cannot survive. */
  readonly broken?: true;
}

const same = (leg: MediaLeg): LegStep => ({ leg, effects: [] });

/** What the peer said first: its offer, or nothing, which asks for ours. */
export const descriptionOf = (sdp: string | undefined, webrtc: boolean): Description =>
  sdp === undefined ? { type: "none", webrtc } : { type: "offer", sdp };

/** Gives a description to the media tier. */
export function askMedia(
  leg: MediaLeg,
  policy: GroupPolicy,
  pending: NonNullable<MediaLeg["pending"]>,
): LegStep {
  const next = { ...leg, revision: leg.revision + 1, pending };
  return { leg: next, effects: repeatPut(next, policy) };
}

/** The request that is under way, again: for a survivor. */
export const repeatPut = (leg: MediaLeg, policy: GroupPolicy): Effect[] =>
  leg.pending ? [put(leg.leg, leg.member, policy, leg.revision, leg.pending.description)] : [];

/** A re-INVITE or UPDATE of this leg. */
export function onOffer(leg: MediaLeg, policy: GroupPolicy, { method, txn, sdp }: EventOf<"offer">): LegStep {
  if (method === "UPDATE" && sdp === undefined)
    return { leg, effects: [sip({ type: "reply", txn, status: 200 })] };
  // RFC 3261 §14.2: an INVITE before the one before it was answered.
  if (leg.pending)
    return { leg, effects: [sip({ type: "reply", txn, status: 500, headers: [["Retry-After", "1"]] })] };
  // Our own offer is open: glare (RFC 3311 §5.2).
  if (leg.acking === "answer") return { leg, effects: [sip({ type: "reply", txn, status: 491 })] };
  return askMedia(leg, policy, { description: descriptionOf(sdp, leg.webrtc), txn, method });
}

/** The media tier's description goes out in the 200 that is owed. */
export function onDescribed(leg: MediaLeg, { revision, description, by }: EventOf<"described">): LegStep {
  const { pending, ...known } = leg;
  if (!pending || revision !== leg.revision) return same(leg);
  const idle = by === undefined ? known : { ...known, at: by };
  if (pending.txn === undefined) return same(idle);
  return answerWith(idle, pending.txn, pending.method ?? "INVITE", description);
}

/** Sends 200 with a description of the media tier. */
export function answerWith(
  leg: MediaLeg,
  txn: TxnId,
  method: "INVITE" | "UPDATE",
  description: LegAnswer["description"],
): LegStep {
  const sdp = description && "sdp" in description ? description.sdp : undefined;
  const effects = [sip({ type: "reply", txn, status: 200, timed: true, ...sdpBody(sdp) })];
  if (method === "UPDATE") return { leg, effects };
  return { leg: { ...leg, acking: description?.type === "offer" ? "answer" : "nothing" }, effects };
}

/** The media tier would not: a change is refused and the leg stays as it was (RFC 3261 §14.2). */
export function onRefused(leg: MediaLeg, { revision, refusal }: EventOf<"refused">): LegStep {
  const { pending, ...idle } = leg;
  if (!pending || revision !== leg.revision) return same(leg);
  if (pending.txn !== undefined) return { leg: idle, effects: [refusalReply(pending.txn, refusal)] };
  // It was the answer in an ACK: there is nobody left to tell but by hanging up. A cancelled change hurts nobody.
  return pending.description.type === "answer" && !pending.optional
    ? { leg: idle, effects: [], broken: true }
    : same(idle);
}

/** The ACK of our 2xx, which carries the answer when the offer was ours. */
export function onAck(leg: MediaLeg, policy: GroupPolicy, { sdp }: EventOf<"ack">): LegStep {
  const { acking, ...idle } = leg;
  if (acking !== "answer") return same(idle);
  if (sdp === undefined) return { leg: idle, effects: [], broken: true };
  return askMedia(idle, policy, { description: { type: "answer", sdp } });
}

/** The peer has moved its media in the answer to a refresh; a browser's moves by ICE. */
export function onMoved(leg: MediaLeg, policy: GroupPolicy, { sdp }: EventOf<"moved">): LegStep {
  if (leg.webrtc || leg.pending || leg.acking === "answer") return same(leg);
  return askMedia(leg, policy, { description: { type: "answer", sdp }, optional: true });
}

/** The peer gave up its re-INVITE and the edge has answered it; what the media tier says then goes nowhere. */
export function onCancel(leg: MediaLeg, txn: TxnId): LegStep {
  if (leg.pending?.txn !== txn) return same(leg);
  return same({ ...leg, pending: { description: leg.pending.description } });
}

/** The leg with nothing under way. */
export const atRest = ({ leg, member, webrtc, revision, at }: MediaLeg): MediaLeg => ({
  leg,
  member,
  webrtc,
  revision,
  ...(at !== undefined && { at }),
});

/** The request that waits for an answer which only the media tier can give. */
export const owedTxn = (leg: MediaLeg): TxnId | undefined => leg.pending?.txn;
