import type { EventOf, UserInvite } from "./call-event.ts";
import { refusalReply, sdpBody, sip, type Effect } from "./effect.ts";
import { answerWith, askMedia, atRest, descriptionOf, type MediaLeg } from "./media-leg.ts";
import { branchOver, callPolicy, invite, memberOf } from "./user-call-branch.ts";
import { onHopFailed, tryNext } from "./user-call-turns.ts";
import { onProvisional } from "./user-call-early.ts";
import {
  ack,
  bye,
  end,
  giveUpOthers,
  mediaOf,
  reply,
  to,
  watchMedia,
  withBranch,
  withMedia,
  type Branch,
  type Calling,
  type Relay,
  type Talking,
  type UserStep,
} from "./user-call.ts";

/** Contacts that are called at once. */
export const MAX_BRANCHES = 10;
const WEBRTC_PROFILE = /^m=\S+ \d+ UDP\/TLS\/RTP\/SAVPF?\b/m;

/** True when a description can only be for a browser (RFC 5763). */
export const isWebrtc = (sdp: string | undefined): boolean => sdp !== undefined && WEBRTC_PROFILE.test(sdp);

/**
 * Starts a call between users. Two telephones agree on media themselves and their descriptions pass through; with a browser
 * on either side both go through the media tier, in a group of their own.
 */
export function startUserCall(call: string, event: UserInvite): UserStep {
  const { leg, txn, caller, callee, sdp, atMs } = event;
  const anchored =
    event.anchored === true ||
    event.webrtc ||
    isWebrtc(sdp) ||
    event.destinations.some(({ webrtc }) => webrtc);
  const atOnce = event.inTurn ? [] : event.destinations.slice(0, MAX_BRANCHES);
  const branches = atOnce.map((destination, i): Branch => ({
    ...destination,
    leg: `${call}.${i + 1}`,
    state: anchored ? "offering" : "calling",
  }));
  const state: Calling = {
    kind: "user", name: "calling", call, caller, callee: callee.id, leg, from: event.from, to: event.to, startMs: atMs, txn,
    offered: sdp !== undefined, branches, media: [], leaving: [], ...(event.reliable === true && { reliable: true }),
    ...(event.trunk !== undefined && { trunk: event.trunk }),
    ...(event.inTurn && { later: event.destinations, ...(!anchored && sdp !== undefined && { sdp }) }),
  }; // prettier-ignore
  const first: Effect[] = [{ do: "timer", timer: "no-answer", atMs: atMs + event.ringMs }];
  if (!anchored) {
    const called = branches.map((branch) => invite(state, branch, sdp));
    return event.inTurn ? after(first, tryNext(state, atMs)) : to(state, ...first, ...called);
  }

  const policy = callPolicy(call);
  const callerLeg: MediaLeg = { leg, member: caller, webrtc: event.webrtc || isWebrtc(sdp), revision: 0 };
  const asked = [
    askMedia(callerLeg, policy, { description: descriptionOf(sdp, callerLeg.webrtc) }),
    ...branches.map((branch) =>
      askMedia(
        { leg: branch.leg, member: memberOf(callee, branch), webrtc: branch.webrtc, revision: 0 },
        policy,
        {
          description: { type: "none", webrtc: branch.webrtc },
        },
      ),
    ),
  ];
  const meeting = { ...state, policy, media: asked.map((one) => one.leg) };
  const before = [...first, ...asked.flatMap(({ effects }) => effects)];
  return event.inTurn ? after(before, tryNext(meeting, atMs)) : to(meeting, ...before);
}

/** The media tier's description for the caller, or for a contact that is to be called or has answered. */
export function onSetupDescribed(state: Calling, event: EventOf<"described">): UserStep {
  const leg = mediaOf(state, event.leg);
  if (leg?.pending === undefined || leg.revision !== event.revision) return to(state);
  const next = withMedia(state, atRest(leg));
  if (event.leg === state.leg) return answerWhenReady({ ...next, answer: event.description }, event.atMs);
  const branch = next.branches.find((one) => one.leg === event.leg);
  if (branch?.state === "accepting")
    return answerWhenReady(withBranch(next, { ...branch, state: "won" }), event.atMs);
  if (branch?.state !== "offering") return to(next);
  const sdp = event.description && "sdp" in event.description ? event.description.sdp : undefined;
  const calling: Branch = { ...branch, state: "calling" };
  return to(withBranch(next, calling), invite(next, calling, sdp));
}

export function onSetupRefused(state: Calling, event: EventOf<"refused">): UserStep {
  const leg = mediaOf(state, event.leg);
  if (leg?.pending === undefined || leg.revision !== event.revision) return to(state);
  const { status } = event.refusal;
  const branch = state.branches.find((one) => one.leg === event.leg);
  if (branch?.state === "offering") return branchOver(state, branch, status, event.atMs);
  // The caller's offer, or the answer of the contact that picked up: nobody else can make up for it.
  return end(state, {
    atMs: event.atMs,
    cause: "media-refused",
    status,
    before: [refusalReply(state.txn, event.refusal)],
  });
}

/** A response to one of the INVITEs (RFC 3261 §16.7, as far as it concerns a user agent that forks). */
export function onInviteResponse(state: Calling, event: EventOf<"response">): UserStep {
  const { leg, status, local, atMs } = event;
  const branch = state.branches.find((one) => one.leg === leg);
  // A contact that was given up but answered all the same (RFC 3261 §9.1).
  if (branch?.state !== "calling")
    return status >= 200 && status < 300 && branch?.state === "over"
      ? to(state, ack(leg), bye(leg))
      : to(state);
  if (status < 200) return onProvisional(state, branch, event);
  if (status < 300) return accepted(state, branch, event.sdp ?? branch.answer, atMs);
  if (branch.trunk) return onHopFailed(state, branch, event);
  const dead = local && status === 503 && branch.flow.transport !== "udp";
  const unbind: Effect[] = dead
    ? [{ do: "unbind", user: state.callee, key: branch.key, expiresAtMs: branch.expiresAtMs }]
    : [];
  const { state: next, effects } = branchOver(state, branch, local ? 480 : status, atMs);
  return to(next, ...unbind, ...effects);
}

/** The callee did not pick up in time. */
export const onNoAnswer = (state: Calling, atMs: number): UserStep =>
  end(state, { atMs, cause: "no-answer", status: 480, before: [reply(state.txn, 480)] });

function accepted(state: Calling, branch: Branch, sdp: string | undefined, atMs: number): UserStep {
  const { state: rest, effects } = giveUpOthers(state, branch.leg);
  const { policy } = state;
  if (!policy) {
    // Without an offer in the INVITE the answer is in the caller's ACK, and the callee's ACK waits for it (RFC 3261 §13.2.1).
    const held = !state.offered && state.agreed !== true;
    const talking = talk(rest, branch.leg, atMs, state.relay ?? { phase: "acking", by: state.leg, held });
    return to(
      talking, ...(held ? [] : [ack(branch.leg)]), sip({ type: "reply", txn: state.txn, status: 200, timed: true, ...sdpBody(sdp) }), ...effects, quiet,
    ); // prettier-ignore
  }
  const media = mediaOf(rest, branch.leg);
  const accepting = withBranch(rest, { ...branch, state: "accepting" });
  if (!media || sdp === undefined)
    return end(accepting, {
      atMs,
      cause: "media-refused",
      status: 500,
      before: [ack(branch.leg), reply(state.txn, 500), ...effects],
    });
  const asked = askMedia(media, policy, { description: { type: "answer", sdp } });
  return to(withMedia(accepting, asked.leg), ack(branch.leg), ...effects, ...asked.effects);
}

/** Answers the caller once the callee has answered and both sides have media. */
function answerWhenReady(state: Calling, atMs: number): UserStep {
  const winner = state.branches.find((branch) => branch.state === "won");
  const media = mediaOf(state, state.leg);
  if (!winner || !media || state.answer === undefined) return to(state);
  const { leg, effects } = answerWith(media, state.txn, "INVITE", state.answer);
  const talking = talk(withMedia(state, leg), winner.leg, atMs);
  return to(talking, ...effects, quiet, ...watchMedia(undefined, talking, atMs));
}

const quiet: Effect = { do: "timer", timer: "no-answer", atMs: undefined };

function talk(state: Calling, peer: string, answerMs: number, relay?: Relay): Talking {
  const {
    kind,
    call,
    caller,
    callee,
    leg,
    from,
    to: dialled,
    startMs,
    policy,
    media,
    leaving,
    trunk,
    branches,
  } = state;
  const out = branches.find((branch) => branch.leg === peer)?.trunk !== undefined;
  return {
    kind, name: "talking", call, caller, callee, leg, from, to: dialled, startMs, media, leaving, answerMs, peer,
    ...(policy && { policy }), ...(relay && { relay }), ...(trunk !== undefined && { trunk, outside: out ? peer : leg }),
  }; // prettier-ignore
}

const after = (before: readonly Effect[], { state, effects }: UserStep): UserStep => ({
  state,
  effects: [...before, ...effects],
});
