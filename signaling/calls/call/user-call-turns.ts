import type { EventOf } from "./call-event.ts";
import type { Effect } from "./effect.ts";
import { askMedia } from "./media-leg.ts";
import { claim, elsewhere, hopFailureOf, noPlaceLeft } from "./trunk-hop.ts";
import { branchOver, invite, memberOf } from "./user-call-branch.ts";
import {
  end, removeMedia, reply, to, withBranch, type Branch, type Calling, type UserStep,
} from "./user-call.ts"; // prettier-ignore

/** Tries the next place of a call that leaves over trunks; ends it when there is none. */
export function tryNext(state: Calling, atMs: number): UserStep {
  const [hop, ...later] = state.later ?? [];
  if (!hop?.trunk) return noneLeft(state, atMs);
  const branch: Branch = { ...hop, leg: `${state.call}.${state.branches.length + 1}`, state: "claiming" };
  const next: Calling = { ...state, later, trunk: hop.trunk.id, branches: [...state.branches, branch] };
  // Room was claimed for the peer before it.
  return state.trunk === hop.trunk.id ? callHop(next, branch) : to(next, ...claim(branch));
}

/** The trunk has room for the call, or not: then the next trunk is tried. */
export function onClaimed(state: Calling, { leg, claim: outcome, atMs }: EventOf<"claimed">): UserStep {
  const branch = state.branches.find((one) => one.leg === leg);
  if (branch?.state !== "claiming") return to(state);
  if (outcome === "claimed") return callHop(state, branch);
  const later = elsewhere(state.later, branch.trunk);
  return tryNext(withBranch({ ...state, later }, { ...branch, state: "over" }), atMs);
}

/** A place outside did not take the call. */
export function onHopFailed(state: Calling, branch: Branch, event: EventOf<"response">): UserStep {
  const { atMs } = event;
  if (!branch.trunk) return branchOver(state, branch, event.status, atMs);
  const { status, next: failsOver, effects: avoid } = hopFailureOf(branch.trunk, event);
  // What the caller has agreed with one peer (RFC 3262 §5) it cannot agree with another.
  if (state.agreed === true || !failsOver) return before(avoid, branchOver(state, branch, status, atMs));
  const { unacknowledged: _of, ...rest } = state;
  const { state: next, effects } = removeMedia(
    withBranch(rest, { ...branch, state: "over", status }),
    new Set([branch.leg]),
  );
  return before([...avoid, ...effects], tryNext(next, atMs));
}

function callHop(state: Calling, branch: Branch): UserStep {
  if (!state.policy) {
    const calling: Branch = { ...branch, state: "calling" };
    return to(withBranch(state, calling), invite(state, calling, state.sdp));
  }
  const member = memberOf({ id: state.callee, name: state.callee, priority: 0 }, branch);
  const asked = askMedia({ leg: branch.leg, member, webrtc: false, revision: 0 }, state.policy, {
    description: { type: "none", webrtc: false },
  });
  const offering = withBranch(state, { ...branch, state: "offering" });
  return to({ ...offering, media: [...offering.media, asked.leg] }, ...asked.effects);
}

function noneLeft(state: Calling, atMs: number): UserStep {
  const { status, cause, text } = noPlaceLeft(state.branches.flatMap((one) => one.status ?? []));
  const headers: [string, string][] = [["Reason", `SIP;cause=${status};text="${text}"`]];
  if (status === 503) headers.push(["Retry-After", "5"]);
  return end(state, { atMs, cause, status, before: [reply(state.txn, status, headers)] });
}

const before = (effects: readonly Effect[], step: UserStep): UserStep => ({
  ...step,
  effects: [...effects, ...step.effects],
});
