import type { Step } from "#common/machine.ts";
import type { GroupPolicy, Member } from "#common/media-control.ts";
import type { CallId, LegId } from "#signaling/sip-port/sip-port.ts";
import {
  end as endBridged, movedLeg, tellOrigin, type BridgedCall, type BridgedJoined, type DialPlan,
} from "./bridged-call.ts"; // prettier-ignore
import type { CallEvent, EventOf } from "./call-event.ts";
import { sip, type Effect } from "./effect.ts";
import type { GroupCall } from "./group-call.machine.ts";
import { askMedia } from "./media-leg.ts";
import { callPolicy } from "./user-call-branch.ts";
import { bye, end as endUser, mediaOf, otherLeg, reply, type Talking, type UserCall } from "./user-call.ts";

/** A REFER that was accepted, until it is known what came of it (RFC 3515 §2.4.4). */
export interface Referral {
  /** The referrer's leg. */
  readonly leg: LegId;
  /** CSeq of the REFER, which names its subscription (§2.4.6). */
  readonly seq: number;
  /** The call that is made, or that gives up a leg. */
  readonly call: CallId;
  readonly ask: Ask;
  /** Nobody wants to be told (RFC 4488). */
  readonly silent?: true;
  /** The referrer has hung up already: common in blind transfers. */
  readonly left?: true;
  readonly told: number;
  readonly untilMs: number;
}

/** What is asked of the other call. */
export type Ask =
  | { readonly op: "dial"; readonly plan: DialPlan }
  /** Its leg gives way to the party that is left here (RFC 3891, as a referral with Replaces wants it). */
  | { readonly op: "take"; readonly leg: LegId; readonly policy: GroupPolicy; readonly partner: CallId }
  /** Nothing: the other party joins a talk group. */
  | { readonly op: "join"; readonly policy: GroupPolicy; readonly member: Member };

export type Transferable = Talking | Extract<GroupCall, { name: "joined" }> | BridgedJoined;
type AnyStep = Step<UserCall | GroupCall | BridgedCall, Effect>;

/** The other call is reminded so often, in ms: a process may have died over asking it. */
const ASK_AGAIN_MS = 3_000;
/** Over the time that a contact rings: then nothing comes any more, in ms. */
const SLACK_MS = 30_000;

const to = (state: AnyStep["state"], ...effects: readonly Effect[]): AnyStep => ({ state, effects });

/** A NOTIFY of the implicit subscription, with a status line (RFC 3515 §2.4.5). */
function tell({ leg, seq, silent, left, untilMs }: Referral, status: number, atMs: number): Effect[] {
  if (silent || left) return [];
  const state =
    status < 200
      ? `active;expires=${Math.max(1, Math.ceil((untilMs - atMs) / 1_000))}`
      : "terminated;reason=noresource";
  return [
    sip({
      type: "in-dialog", leg, method: "NOTIFY", headers: [["Event", `refer;id=${seq}`], ["Subscription-State", state]],
      body: `SIP/2.0 ${status} ${PHRASES[status] ?? "Referred"}\r\n`, contentType: "message/sipfrag;version=2.0",
    }),
  ]; // prettier-ignore
}
const PHRASES: Readonly<Record<number, string>> = { 100: "Trying", 180: "Ringing", 200: "OK" };

function asked({ call, ask }: Referral, by: CallId): Effect[] {
  switch (ask.op) {
    case "dial":
      return [{ do: "dial", call, plan: ask.plan }];
    case "take":
      return [
        {
          do: "tell",
          call,
          event: { type: "taken", leg: ask.leg, by: ask.partner, policy: ask.policy, origin: by },
        },
      ];
    case "join":
      return [];
  }
}

/** Events that are a referral's, whatever kind the call is of; undefined for those of the call itself. */
export function stepReferral(
  call: UserCall | GroupCall | BridgedCall,
  event: CallEvent,
): AnyStep | undefined {
  if (event.type === "refer")
    return isTransferable(call) ? accept(call, event) : to(call, reply(event.txn, 491));
  if (event.type === "taken") {
    if (call.kind === "bridged" && call.partner === event.by) return to(call, ...takenAlready(call));
    return isGiving(call) ? giveUp(call, event) : refuseTaking(call, event);
  }
  if (!isTransferable(call) || !call.referral) return undefined;
  const { referral } = call;
  if (event.type === "referral")
    return event.by === referral.call ? progress(call, referral, event.status, event.atMs) : to(call);
  if (event.type === "timer" && event.timer === "referral") {
    if (event.atMs >= referral.untilMs) return progress(call, referral, 408, event.atMs);
    return to(call, ...asked(referral, call.call), again(event.atMs));
  }
  if (event.type === "bye" && call.kind === "user") return onBye(call, referral, event);
  // Whoever is left waits for the other call: nobody is there to pass anything on to.
  if (event.type === "offer" && referral.left) return to(call, reply(event.txn, 491));
  if (event.type === "info" && referral.left) return to(call, reply(event.txn, 200));
  return undefined;
}

/** The effects of a referral under way, again. */
export const repeatReferral = (call: UserCall | GroupCall | BridgedCall): Effect[] =>
  isTransferable(call) && call.referral ? asked(call.referral, call.call) : [];

const isTransferable = (call: UserCall | GroupCall | BridgedCall): call is Transferable =>
  call.name === "talking" || call.name === "joined";
const again = (atMs: number): Effect => ({ do: "timer", timer: "referral", atMs: atMs + ASK_AGAIN_MS });
const quiet: Effect = { do: "timer", timer: "referral", atMs: undefined };

function accept(call: Transferable, event: EventOf<"refer">): AnyStep {
  const { leg, txn, seq, silent, ask, call: other, atMs } = event;
  // One at a time: which of two would win is nobody's guess.
  if (call.referral) return to(call, reply(txn, 491));
  const ringMs = ask.op === "dial" ? ask.plan.ringMs : 0;
  const referral: Referral = {
    leg, seq, call: other, ask, told: 100, untilMs: atMs + ringMs + SLACK_MS, ...(silent && { silent: true as const }),
  }; // prettier-ignore
  if (ask.op === "join") {
    if (call.kind !== "user") return to(call, reply(txn, 403));
    const before = [reply(txn, 202), ...tell(referral, 200, atMs), bye(leg)];
    return bridge(call, otherLeg(call, leg), { policy: ask.policy, member: ask.member, before, atMs });
  }
  return to(
    { ...call, referral },
    reply(txn, 202, silent ? [["Refer-Sub", "false"]] : []),
    ...tell(referral, 100, atMs),
    ...asked(referral, call.call),
    again(atMs),
  );
}

function progress(call: Transferable, referral: Referral, status: number, atMs: number): AnyStep {
  if (status < 200)
    return status <= referral.told
      ? to(call)
      : to({ ...call, referral: { ...referral, told: status } }, ...tell(referral, status, atMs));
  const { referral: _over, ...rest } = call;
  const told = [...tell(referral, status, atMs), quiet];
  if (status >= 300) {
    if (referral.left && rest.kind === "user")
      return endUser(rest, { atMs, cause: "rejected", before: told, byes: [otherLeg(rest, referral.leg)] });
    return to(rest, ...told);
  }
  switch (rest.kind) {
    // Whoever was called is in the group now; the referrer leaves it when it wants to.
    case "group":
      return to(rest, ...told);
    case "bridged": {
      const partner: Effect[] =
        rest.partner === undefined ? [] : [{ do: "tell", call: rest.partner, event: { type: "partner", is: referral.call } }]; // prettier-ignore
      return endBridged(rest, { atMs, cause: "caller-hung-up", quietly: true, before: [...told, bye(referral.leg), ...partner] }); // prettier-ignore
    }
    case "user": {
      const before = referral.left ? told : [...told, bye(referral.leg)];
      return bridge(rest, otherLeg(rest, referral.leg), {
        policy: policyOf(rest),
        partner: referral.call,
        before,
        atMs,
      });
    }
  }
}

/** A hang-up while a referral is under way: the referrer's leaves the other side waiting, the other side's ends it all. */
function onBye(call: Talking, referral: Referral, { leg, txn, atMs }: EventOf<"bye">): AnyStep {
  if (leg === referral.leg && !referral.left)
    return to({ ...call, referral: { ...referral, left: true } }, reply(txn, 200));
  const { referral: _over, ...rest } = call;
  return endUser(rest, {
    atMs,
    cause: leg === call.leg ? "caller-hung-up" : "callee-hung-up",
    before: [reply(txn, 200), ...tell(referral, 487, atMs), quiet, { do: "tell", call: referral.call, event: { type: "partner-ended", by: call.call } }],
    byes: referral.left ? [] : [referral.leg],
  }); // prettier-ignore
}

export const policyOf = ({ policy, call }: UserCall): GroupPolicy => policy ?? callPolicy(call);

interface Bridging {
  readonly policy: GroupPolicy;
  readonly partner?: CallId;
  readonly origin?: CallId;
  readonly member?: Member;
  readonly before: readonly Effect[];
  readonly atMs: number;
}

/** What is left of a call between users: one leg, with a partner elsewhere. It is given the media tier's description. */
export function bridge(
  call: Talking,
  leg: LegId,
  { policy, partner, origin, member = memberOf(call, leg), before, atMs }: Bridging,
): AnyStep {
  const { caller, callee, startMs, answerMs, leaving, relay } = call;
  const own = mediaOf(call, leg);
  const stays = own !== undefined && call.policy?.id === policy.id;
  const gone = [...call.media.filter((one) => one !== own || !stays).map((one) => one.leg), ...leaving];
  const base = {
    kind: "bridged", call: call.call, policy, sip: leg, depth: 0, startMs, answerMs, parties: { kind: "user", from: caller.id, to: callee },
    ...(partner !== undefined && { partner }), ...(origin !== undefined && { origin }),
    // Without the side that is reached over it, the trunk carries the call no longer.
    ...(call.trunk !== undefined && call.outside === leg && { trunk: call.trunk }),
  } as const; // prettier-ignore
  const effects: Effect[] = [
    ...before,
    // A request of either side that was passed on will not be answered by the other any more.
    ...(relay?.phase === "asked" ? [reply(relay.txn, relay.by === leg ? 491 : 487)] : []),
    ...gone.map((one): Effect => ({ do: "media", request: { op: "delete", leg: one, group: call.policy?.id ?? policy.id } })),
  ]; // prettier-ignore
  const told: Effect[] = origin === undefined ? [] : [{ do: "tell", call: origin, event: { type: "referral", by: call.call, status: 200 } }]; // prettier-ignore
  if (stays) return to({ ...base, name: "joined", media: own }, ...effects, ...told);
  const webrtc = member.kind === "browser";
  const put = askMedia({ leg: movedLeg(call.call), member, webrtc, revision: 0 }, policy, { description: { type: "none", webrtc } }); // prettier-ignore
  return to({ ...base, name: "moving", media: put.leg }, ...effects, { do: "timer", timer: "media", atMs: atMs + ASK_AGAIN_MS }, ...put.effects); // prettier-ignore
}

/** Who is at a leg of a call between users. */
export function memberOf(call: Talking, leg: LegId): Member {
  const known = mediaOf(call, leg)?.member;
  if (known) return known;
  if (leg === call.leg) return call.caller;
  return { id: call.callee, name: call.callee, kind: "phone", priority: 0 };
}

/** The same request again: whoever asked was not told, or has forgotten. */
const takenAlready = (call: BridgedCall): Effect[] => {
  if (call.name === "joined") return tellOrigin(call, 200);
  return call.name === "ended" ? tellOrigin(call, call.status) : [];
};

type Giving = Talking | Extract<UserCall, { name: "calling" }> | BridgedJoined;
const isGiving = (call: UserCall | GroupCall | BridgedCall): call is Giving =>
  call.kind !== "group" && (call.name === "talking" || call.name === "calling" || call.name === "joined");

/** A leg gives way to one of another call. */
function giveUp(call: Giving, event: EventOf<"taken">): AnyStep {
  const { leg, by, policy, origin, sdp, atMs } = event;
  if (call.kind === "bridged") {
    if (call.sip !== leg || origin !== undefined) return refuseTaking(call, event);
    const partner: Effect[] =
      call.partner === undefined
        ? []
        : [{ do: "tell", call: call.partner, event: { type: "partner", is: by } }];
    return endBridged(call, { atMs, cause: "caller-hung-up", quietly: true, before: [bye(leg), ...partner] });
  }
  if (call.name === "talking") {
    if (leg !== call.leg && leg !== call.peer) return refuseTaking(call, event);
    const before = [bye(leg), ...(call.referral ? [quiet] : [])];
    return bridge(call, otherLeg(call, leg), { policy, partner: by, before, atMs, ...(origin !== undefined && { origin }) }); // prettier-ignore
  }
  return pickUp(call, { ...event, sdp });
}

/** A ringing call is answered by somebody else (RFC 3891 §1: pick-up): its caller gets the media tier's description. */
function pickUp(call: Extract<UserCall, { name: "calling" }>, event: EventOf<"taken">): AnyStep {
  const { by, policy, sdp } = event;
  const own = mediaOf(call, call.leg);
  if (!call.branches.some(({ leg, state }) => leg === event.leg && state === "calling"))
    return refuseTaking(call, event);
  if (call.agreed || (own === undefined && call.offered && sdp === undefined))
    return refuseTaking(call, event);
  const { caller, callee, startMs, txn } = call;
  const base = {
    kind: "bridged", call: call.call, policy, sip: call.leg, partner: by, depth: 0, startMs, parties: { kind: "user", from: caller.id, to: callee },
    ...(call.trunk !== undefined && { trunk: call.trunk }),
  } as const; // prettier-ignore
  const branches = call.branches.filter(({ state }) => state === "calling");
  const effects: Effect[] = [
    ...branches.map(({ leg }) => sip({ type: "cancel", leg })),
    { do: "timer", timer: "no-answer", atMs: undefined },
    ...call.media
      .filter((one) => one !== own)
      .map((one): Effect => ({ do: "media", request: { op: "delete", leg: one.leg, group: policy.id } })),
  ];
  const webrtc = caller.kind === "browser";
  const fresh = { leg: movedLeg(call.call), member: caller, webrtc, revision: own?.revision ?? 0 };
  const put = askMedia(own ?? fresh, policy, {
    description:
      own?.pending?.description ?? (sdp === undefined ? { type: "none", webrtc } : { type: "offer", sdp }),
    txn,
  });
  return to({ ...base, name: "joining", media: put.leg, txn }, ...effects, ...put.effects);
}

/** Whoever wanted the leg is told that there is none. */
export function refuseTaking(call: AnyStep["state"], event: EventOf<"taken">): AnyStep {
  return to(call, ...takingRefused(event, call.call));
}

export const takingRefused = ({ by, origin }: EventOf<"taken">, call: CallId): Effect[] => [
  origin === undefined
    ? { do: "tell", call: by, event: { type: "partner-ended", by: call } }
    : { do: "tell", call: origin, event: { type: "referral", by: call, status: 481 } },
];
