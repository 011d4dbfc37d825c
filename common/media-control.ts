import { z } from "zod";

/**
 * What signaling, radio-bridge and api ask of a media process, over `state/rpc`. Paths are resources; every request is
 * idempotent by leg id and revision, so a survivor may send it again.
 *
 *   PUT    /legs/:leg          LegRequest          → LegAnswer
 *   DELETE /legs/:leg                              → {}          unknown legs are fine
 *   POST   /legs/:leg/digits   { digit }           → {}          a digit that came by SIP INFO
 *   POST   /floor              FloorRequest        → FloorAnswer
 *   GET    /groups/:group                          → GroupSnapshot
 *
 * Errors come back as RPC_REFUSED with context `code`: SDP_INVALID (400), SDP_NOT_ACCEPTABLE (488, `warning` holds the
 * text of a Warning header), PORTS_EXHAUSTED (503), WORKER_UNAVAILABLE (503).
 */

export const memberKinds = ["phone", "browser", "radio"] as const;
export type MemberKind = (typeof memberKinds)[number];

/** Who a leg belongs to, as others see it. */
export const memberSchema = z.object({
  /** User id, radio channel id, or the number of an outside caller. */
  id: z.string(),
  name: z.string(),
  kind: z.enum(memberKinds),
  priority: z.number().int(),
});
export type Member = z.infer<typeof memberSchema>;

/** What the media tier must know of a group; sent with each leg so that it never asks the directory. */
export const groupPolicySchema = z.object({
  id: z.string(),
  name: z.string(),
  mode: z.enum(["half-duplex", "full-duplex"]),
  maxTalkMs: z.number().int(),
  hangMs: z.number().int(),
  queue: z.boolean(),
  phonePtt: z.enum(["dtmf", "vox"]),
});
export type GroupPolicy = z.infer<typeof groupPolicySchema>;

/** A session description on its way to the media tier, or a radio bridge's RTP address. */
export const descriptionSchema = z.discriminatedUnion("type", [
  /** The peer's offer: answered. */
  z.object({ type: z.literal("offer"), sdp: z.string() }),
  /** The peer gave none (INVITE without SDP): offered. `webrtc` says which kind of offer. */
  z.object({ type: z.literal("none"), webrtc: z.boolean() }),
  /** The peer's answer to our offer. */
  z.object({ type: z.literal("answer"), sdp: z.string() }),
  /** A radio bridge: L16/8000 mono 20 ms RTP, payload type 96, extension 0x0167 carries SQU and PTT (see radio-bridge). */
  z.object({ type: z.literal("rtp"), host: z.string(), port: z.number().int() }),
]);
export type Description = z.infer<typeof descriptionSchema>;

export const legRequestSchema = z.object({
  /** Grows with each offer/answer exchange of the leg; an older one is refused, an equal one answered again alike. */
  revision: z.number().int(),
  /** A talk group, or `call-<callId>` for the two legs of a call between users. */
  group: groupPolicySchema,
  member: memberSchema,
  description: descriptionSchema,
});
export type LegRequest = z.infer<typeof legRequestSchema>;

export interface LegAnswer {
  /** `answer` to an offer, `offer` when none was given, `rtp` for a radio; absent after an answer. */
  readonly description?:
    | { readonly type: "answer" | "offer"; readonly sdp: string }
    | { readonly type: "rtp"; readonly host: string; readonly port: number };
}

/**
 * A console's press. `hold` names one press: `request` opens it, `renew` keeps it (at least each second; a grant is a
 * lease of FLOOR_LEASE_MS), `release` ends it. A late release of an older hold is ignored.
 */
export const floorRequestSchema = z.object({
  group: z.string(),
  leg: z.string(),
  hold: z.string().min(1).max(64),
  action: z.enum(["request", "renew", "release"]),
});
export type FloorRequest = z.infer<typeof floorRequestSchema>;

/** A console's grant ends by itself this long after its last renewal, in ms. */
export const FLOOR_LEASE_MS = 3_000;

export type FloorAnswer =
  | { readonly outcome: "granted"; readonly seq: number; readonly untilMs: number }
  | { readonly outcome: "queued"; readonly seq: number; readonly position: number; readonly holder: Member }
  | {
      readonly outcome: "denied";
      readonly seq: number;
      readonly cause: "busy" | "listen-only" | "limit";
      readonly holder?: Member;
    }
  | { readonly outcome: "released"; readonly seq: number };

/** One participant as consoles show it. */
export interface Participant extends Member {
  readonly leg: string;
  readonly camera: boolean;
}

/** State of a group's floor. `seq` grows with each change; a lower one is old news. */
export type FloorState =
  | { readonly state: "idle"; readonly seq: number }
  | {
      readonly state: "taken";
      readonly seq: number;
      readonly leg: string;
      readonly holder: Member;
      readonly sinceMs: number;
      readonly hold?: string;
    };

export interface GroupSnapshot {
  readonly group: string;
  readonly floor: FloorState;
  readonly participants: readonly Participant[];
  /** Full duplex: legs that are talking now. */
  readonly talking: readonly string[];
}

/**
 * What a media process publishes on the group's channel (`state/talk-group/talk-group.keys.ts`: groupChannel) and api
 * passes on to consoles.
 */
export type GroupEvent =
  | { readonly type: "floor"; readonly group: string; readonly floor: FloorState }
  | { readonly type: "participants"; readonly group: string; readonly participants: readonly Participant[] }
  | { readonly type: "talking"; readonly group: string; readonly talking: readonly string[] }
  /** To one console: what became of its press after the first answer. */
  | {
      readonly type: "floor-result";
      readonly group: string;
      readonly leg: string;
      readonly hold: string;
      readonly result: "granted" | "revoked" | "expired" | "limit" | "limit-near";
      readonly seq: number;
      readonly by?: Member;
    }
  /** To one console: which participant's camera each of its video lines (SDP mid) carries now. */
  | {
      readonly type: "video";
      readonly group: string;
      readonly leg: string;
      readonly slots: readonly { readonly mid: string; readonly from?: Participant }[];
    }
  /** To signaling: a leg ended in the media tier and its call must end too. */
  | {
      readonly type: "leg-ended";
      readonly group: string;
      readonly leg: string;
      readonly reason: "silent" | "media-failed";
    };
