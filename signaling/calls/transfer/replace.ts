import type { Clock } from "#common/clock.ts";
import type { GroupPolicy } from "#common/media-control.ts";
import type { User } from "#state/directory/provision.ts";
import type { BridgedCall } from "#signaling/calls/call/bridged-call.ts";
import type { AnyCall, CallRunner } from "#signaling/calls/call/call-runner.ts";
import { askMedia, descriptionOf } from "#signaling/calls/call/media-leg.ts";
import { policyOf } from "#signaling/calls/call/referral.ts";
import { sdpOf } from "#signaling/calls/call/to-event.ts";
import { isWebrtc } from "#signaling/calls/call/user-call-setup.ts";
import type { Lookup } from "#signaling/calls/routing/target.ts";
import type { CallId, DialogView, SipEvent, SipPort, Step } from "#signaling/sip-port/sip-port.ts";
import { isOutside } from "./refer.ts";
import { callOfLeg, parseReplaces, type Replaces } from "./replaces-header.ts";

export interface ReplaceOptions {
  readonly clock: Pick<Clock, "now">;
  readonly directory: Pick<Lookup, "user">;
  readonly runner: Pick<CallRunner, "start">;
  readonly port: Pick<SipPort, "begin">;
}

type Request = Extract<SipEvent, { type: "request" }>;

/** Where the new leg finds the other side. */
interface Place {
  readonly policy: GroupPolicy;
  readonly partner?: CallId;
  /** Whom it talks with then, for the detail record. */
  readonly other: string;
}

/** Lets an INVITE take the place of a leg (RFC 3891 §3); returns the status that refuses it. */
export function createReplace({ clock, directory, runner, port }: ReplaceOptions) {
  const find = async (replaces: Replaces, call: CallId, user: User): Promise<Place | number> => {
    const found: (Place | number)[] = [];
    const look = async (step: Step): Promise<void> => {
      const record = await step.load<AnyCall>();
      const callee = record?.kind === "user" ? await directory.user(record.callee) : undefined;
      found.push(placeOf(record, replaces, step.dialog(replaces.leg), user, callee));
    };
    // An id that is none of ours is as good as one that is not there.
    await port.begin(call, look).catch(() => undefined);
    return found.at(-1) ?? 481;
  };

  return async (
    { message, leg, txn, source }: Request,
    user: User,
    step: Step,
  ): Promise<number | undefined> => {
    const values = message.headers("replaces");
    const replaces = values.length === 1 ? parseReplaces(values[0] ?? "") : undefined;
    if (!replaces) return 400;
    const call = callOfLeg(replaces.leg);
    const place = await find(replaces, call, user);
    if (typeof place === "number") return place;
    const sdp = sdpOf(message);
    const webrtc = source.transport === "ws" || source.transport === "wss" || isWebrtc(sdp);
    const { id, name, priority } = user;
    const member = { id, name, priority, kind: webrtc ? "browser" : "phone" } as const;
    const { policy, partner, other } = place;
    const asked = askMedia({ leg, member, webrtc, revision: 0 }, policy, {
      description: descriptionOf(sdp, webrtc),
      txn,
    });
    const state: BridgedCall = {
      kind: "bridged", name: "joining", call: step.callId, policy, media: asked.leg, sip: leg, depth: 0, startMs: clock.now(), txn,
      parties: { kind: "user", from: id, to: other }, takes: { call, leg: replaces.leg }, ...(partner !== undefined && { partner }),
    }; // prettier-ignore
    await runner.start(step, { state, effects: asked.effects });
    return undefined;
  };
}

function placeOf(
  call: AnyCall | undefined,
  { leg, callId, remoteTag, earlyOnly }: Replaces,
  dialog: DialogView | undefined,
  user: User,
  callee: User | undefined,
): Place | number {
  if (dialog?.callId !== callId || dialog.remoteTag !== remoteTag) return 481;
  if (!call || call.name === "ended" || dialog.state === "ended") return 603;
  if (call.kind === "user" && call.name === "calling") {
    // Of dialogs that ring, only one that we began may be taken: that of whom we call.
    if (!call.branches.some((one) => one.leg === leg && one.state === "calling") || call.agreed) return 481;
    if (user.id !== callee?.id && user.agency !== callee?.agency) return 403;
    return { policy: policyOf(call), partner: call.call, other: call.caller.id };
  }
  // Referred-By is not signed (RFC 3892 §5), so that it proves nothing: one takes over one's own calls alone.
  if (call.kind === "user" && call.name === "talking" && (leg === call.leg || leg === call.peer)) {
    const [owner, other] = leg === call.leg ? [call.caller.id, call.callee] : [call.callee, call.caller.id];
    if (earlyOnly) return 486;
    return owner === user.id && !isOutside(call, leg)
      ? { policy: policyOf(call), partner: call.call, other }
      : 403;
  }
  if (call.kind === "bridged" && call.name === "joined" && leg === call.sip) {
    if (earlyOnly) return 486;
    if (call.media.member.id !== user.id || isOutside(call, leg)) return 403;
    const { policy, partner, parties } = call;
    const other = parties.to === user.id ? parties.from : parties.to;
    return { policy, other, ...(partner !== undefined && { partner }) };
  }
  return 481;
}
