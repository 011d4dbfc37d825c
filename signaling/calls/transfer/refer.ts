import type { Clock } from "#common/clock.ts";
import { mayJoin } from "#state/directory/may-join.ts";
import type { TalkGroup, User } from "#state/directory/provision.ts";
import type { Binding } from "#state/registration/binding.ts";
import { inboundLeadsTo } from "#signaling/calls/trunk/trunk-numbers.ts";
import type { Dialled, Routes } from "#signaling/calls/trunk/trunk-routes.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { addressOf, policyOf as groupPolicyOf } from "#signaling/calls/call/admit-invite.ts";
import { MAX_DEPTH, type DialPlan } from "#signaling/calls/call/bridged-call.ts";
import type { AnyCall, CallRunner } from "#signaling/calls/call/call-runner.ts";
import { memberOf, policyOf, type Ask, type Transferable } from "#signaling/calls/call/referral.ts";
import { otherLeg } from "#signaling/calls/call/user-call.ts";
import type { Refused } from "#signaling/calls/capabilities.ts";
import { destinationOf } from "#signaling/calls/destinations.ts";
import { oneFlowEach } from "#signaling/calls/registrar/outbound.ts";
import { addresseeOf, type OwnHosts } from "#signaling/calls/routing/address.ts";
import { findTarget, type Lookup } from "#signaling/calls/routing/target.ts";
import { callIdOf } from "#signaling/edge/engine/ids.ts";
import { formatAddress, parseAddress } from "#signaling/edge/message/address.ts";
import { formatUri, type SipUri } from "#signaling/edge/message/uri.ts";
import type { Gruus } from "#signaling/calls/registrar/gruu.ts";
import type { CallId, LegId, SipEvent, SipPort, Step } from "#signaling/sip-port/sip-port.ts";
import { callOfLeg, parseReplaces, replacesIn } from "./replaces-header.ts";

export interface ReferOptions {
  readonly clock: Pick<Clock, "now">;
  /** Ids of calls that a referral makes follow from it, so that doing it again makes no second one. */
  readonly secret: string;
  readonly directory: Lookup;
  readonly bindings: (user: string) => Promise<readonly Binding[]>;
  readonly runner: Pick<CallRunner, "advance">;
  readonly port: Pick<SipPort, "begin">;
  readonly gruus: Pick<Gruus, "deviceOf">;
  /** Where a number outside is reached, for the user who refers to it. */
  readonly routes: (dialled: Dialled, user: User, message: SipMessage) => Promise<Routes>;
  readonly ringMs: number;
}

type Request = Extract<SipEvent, { type: "request" }>;
type Found = { readonly call: CallId; readonly ask: Ask } | Refused;

interface Referrer {
  readonly message: SipMessage;
  readonly user: User;
  readonly leg: LegId;
  readonly seq: number;
  readonly depth: number;
}

/**
 * A refusal inside a dialog must not end it, and 404 or 481 would (RFC 5057 §5.1): 403 with the reason says the same. What
 * the referred call comes to is told by NOTIFY.
 */
const refuse = (text: string, status = 403): Refused => ({
  status,
  headers: [["Reason", `SIP;cause=${status};text="${text}"`]],
});

/** Who is at a leg of an answered call: a user, or somebody outside. */
export const partyAt = (call: Transferable, leg: LegId): string =>
  call.kind === "user" ? (leg === call.leg ? call.caller.id : call.callee) : call.media.member.id;

/** True for the side of an answered call that is reached over a trunk. What it calls itself names no user of ours. */
export const isOutside = (call: Transferable, leg: LegId): boolean =>
  call.kind === "user" ? call.outside === leg : call.trunk !== undefined;

/**
 * Lets a REFER inside a call in (RFC 3515). Who refers may cause what it might have done itself, and nothing else. Returns
 * why it is refused, or undefined when it was taken.
 */
export function createRefer({
  clock,
  secret,
  directory,
  bindings,
  runner,
  port,
  gruus,
  routes,
  ringMs,
}: ReferOptions) {
  return async ({ message, txn, leg }: Request, own: OwnHosts, step: Step): Promise<Refused | undefined> => {
    const call = await step.load<AnyCall>();
    if (call?.kind !== "user" && call?.kind !== "group" && call?.kind !== "bridged") return refuse("no call");
    if (call.name !== "talking" && call.name !== "joined") return refuse("not answered yet", 491);
    const targets = message.headers("refer-to");
    const referTo = targets.length === 1 ? parseAddress(targets[0] ?? "") : undefined;
    if (!referTo) return refuse("Refer-To", 400);
    const method = referTo.uri.params.get("method") ?? "INVITE";
    if (method.toUpperCase() !== "INVITE") return refuse("only INVITE is referred");
    if (isOutside(call, leg)) return refuse("trunks refer nobody");
    const user = await directory.user(partyAt(call, leg));
    if (!user) return refuse("referrer unknown");
    const depth = call.kind === "bridged" ? call.depth + 1 : 1;
    if (depth > MAX_DEPTH) return refuse("too many referrals in a row");
    const { seq } = message.cseq;
    const by: Referrer = { message, user, leg, seq, depth };
    const replaces = replacesIn(referTo.uri.headers);
    const found =
      replaces === undefined ? await blind(call, by, referTo.uri, own) : await attended(call, by, replaces);
    if ("status" in found) return found;
    const silent = message.header("refer-sub")?.trim().toLowerCase() === "false";
    await runner.advance(step, { type: "refer", leg, txn, seq, silent, ...found, atMs: clock.now() });
    return undefined;
  };

  async function blind(call: Transferable, by: Referrer, uri: SipUri, own: OwnHosts): Promise<Found> {
    const device = gruus.deviceOf(uri, own);
    if (device === "unknown") return refuse("nobody there");
    const addressee = device ? ({ kind: "name", name: device.user } as const) : addresseeOf(uri, own);
    const target = await findTarget(addressee, directory);
    if (target.kind === "group") return intoGroup(call, by, target.group);
    if (target.kind === "outside") return outside(call, by, target.dialled, own);
    if (target.kind !== "user") return refuse("nobody there");
    const { user } = target;
    if (call.kind === "group") {
      const group = await directory.talkGroup(call.policy.id);
      if (!group || !mayJoin(user, group)) return refuse("not a member of the talk group");
    }
    const bound = await bindings(user.id);
    const destinations = oneFlowEach(device ? bound.filter(device.reaches) : bound).map(destinationOf);
    if (destinations.length === 0) return refuse("not registered");
    const plan: DialPlan = {
      ...sidesOf(call, by, user, own),
      origin: call.call, depth: by.depth, to: addressOf(user, own.domain), destinations, ringMs,
      callee: { id: user.id, name: user.name, priority: user.priority }, referredBy: `<sip:${by.user.id}@${own.domain}>`,
    }; // prettier-ignore
    return { call: callIdOf(secret, "REFER", `${by.leg}|${by.seq}`), ask: { op: "dial", plan } };
  }

  /** A number outside is called in the name of whoever refers to it, and by its leave. */
  async function outside(call: Transferable, by: Referrer, dialled: Dialled, own: OwnHosts): Promise<Found> {
    if (call.kind === "group" && !(await isOpenToNumbers(call.policy.id)))
      return refuse("no number leads to the talk group");
    const found = await routes(dialled, by.user, by.message);
    if ("status" in found) return refuse(found.reason);
    const { number, hops } = found;
    const callee = { id: number, name: number, priority: 0 };
    const plan: DialPlan = {
      ...sidesOf(call, by, callee, own),
      origin: call.call, depth: by.depth, to: formatAddress(formatUri({ scheme: "sip", user: number, host: own.domain })),
      destinations: hops, inTurn: true, ringMs, callee, referredBy: `<sip:${by.user.id}@${own.domain}>`,
    }; // prettier-ignore
    return { call: callIdOf(secret, "REFER", `${by.leg}|${by.seq}`), ask: { op: "dial", plan } };
  }

  /** Somebody outside may be in a group that a number of a trunk leads to: whoever calls that is let in. */
  async function isOpenToNumbers(group: string): Promise<boolean> {
    return (await directory.trunks()).some(({ inbound }) => inboundLeadsTo(inbound, group));
  }

  /** The other party is put into a talk group: both must be allowed in. */
  async function intoGroup(call: Transferable, by: Referrer, group: TalkGroup): Promise<Found> {
    if (call.kind !== "user") return refuse("only a call between users goes into a talk group");
    const leg = otherLeg(call, by.leg);
    const member = memberOf(call, leg);
    const other = isOutside(call, leg) ? undefined : await directory.user(member.id);
    const mayOther = other
      ? mayJoin(other, group)
      : isOutside(call, leg) && (await isOpenToNumbers(group.id));
    if (!mayJoin(by.user, group) || !mayOther) return refuse("not a member of the talk group");
    const joining = other ? { ...member, name: other.name, priority: other.priority } : member;
    return { call: call.call, ask: { op: "join", policy: groupPolicyOf(group), member: joining } };
  }

  /** The party that is left here takes the referrer's place in another call of the referrer's. */
  async function attended(call: Transferable, by: Referrer, value: string): Promise<Found> {
    const replaces = parseReplaces(value);
    const partner = call.kind === "user" ? call.call : call.kind === "bridged" ? call.partner : undefined;
    const other = replaces && callOfLeg(replaces.leg);
    if (!replaces || partner === undefined || other === undefined || other === call.call)
      return refuse("no such dialog");
    const own: boolean[] = [];
    const look = async (step: Step): Promise<void> => {
      const there = await step.load<AnyCall>();
      const dialog = step.dialog(replaces.leg);
      own.push(
        there?.kind === "user" &&
          there.name === "talking" &&
          (replaces.leg === there.leg || replaces.leg === there.peer) &&
          !isOutside(there, replaces.leg) &&
          partyAt(there, replaces.leg) === by.user.id &&
          dialog?.callId === replaces.callId &&
          dialog.remoteTag === replaces.remoteTag,
      );
    };
    // An id that is none of ours is as good as one that is not there.
    await port.begin(other, look).catch(() => undefined);
    if (own.at(-1) !== true) return refuse("no such dialog");
    const policy = call.kind === "user" ? policyOf(call) : call.policy;
    return { call: other, ask: { op: "take", leg: replaces.leg, policy, partner } };
  }
}

/** Who meets whom where: what a dialled call inherits of the one that it was referred from. */
function sidesOf(
  call: Transferable,
  by: Referrer,
  target: Pick<User, "id">,
  own: OwnHosts,
): Pick<DialPlan, "policy" | "partner" | "from" | "parties"> {
  switch (call.kind) {
    case "user": {
      const other = otherLeg(call, by.leg);
      return {
        policy: policyOf(call), partner: call.call, from: other === call.leg ? call.from : call.to,
        parties: { kind: "user", from: partyAt(call, other), to: target.id },
      }; // prettier-ignore
    }
    case "group":
      return {
        policy: call.policy, from: addressOf(call.policy, own.domain),
        parties: { kind: "group", from: target.id, to: call.policy.id },
      }; // prettier-ignore
    case "bridged":
      return {
        policy: call.policy, from: addressOf(by.user, own.domain), parties: { kind: "user", from: by.user.id, to: target.id },
        ...(call.partner !== undefined && { partner: call.partner }),
      }; // prettier-ignore
  }
}
