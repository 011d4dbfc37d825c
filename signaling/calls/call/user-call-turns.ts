import { bestFailure } from "./best-failure.ts";
import type { EventOf, TrunkHop } from "./call-event.ts";
import type { Effect } from "./effect.ts";
import { askMedia } from "./media-leg.ts";
import { branchOver, invite, memberOf } from "./user-call-branch.ts";
import {
  claim, end, removeMedia, reply, to, withBranch, type Branch, type Calling, type UserStep,
} from "./user-call.ts"; // prettier-ignore

/** A peer that did not answer at all is left alone for so long, in s. */
const SILENT_S = 30;
/** The longest that a peer may send others away for, in s. */
const MAX_AVOID_S = 3_600;

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
  const later = state.later?.filter(({ trunk }) => trunk?.id !== branch.trunk?.id) ?? [];
  return tryNext(withBranch({ ...state, later }, { ...branch, state: "over" }), atMs);
}

/** A place outside did not take the call. */
export function onHopFailed(state: Calling, branch: Branch, event: EventOf<"response">): UserStep {
  const { status, local, atMs } = event;
  const { trunk } = branch;
  const told = local ? 480 : status;
  const seconds = local ? SILENT_S : status === 503 ? Math.min(event.retryAfterS ?? 0, MAX_AVOID_S) : 0;
  const avoid: Effect[] =
    trunk && seconds > 0 ? [{ do: "avoid", trunk: trunk.id, peer: trunk.peer, seconds }] : [];
  // What the caller has agreed with one peer (RFC 3262 §5) it cannot agree with another.
  const last = !trunk || state.agreed === true || !(local || failsOver(trunk, status));
  if (last) return before(avoid, branchOver(state, branch, told, atMs));
  const { unacknowledged: _of, ...rest } = state;
  const { state: next, effects } = removeMedia(
    withBranch(rest, { ...branch, state: "over", status: told }),
    new Set([branch.leg]),
  );
  return before([...avoid, ...effects], tryNext(next, atMs));
}

/** Whether an answer says more of the peer than of whom it leads to. Credentials that it would not take are its own affair. */
const failsOver = ({ failoverOn }: TrunkHop, status: number): boolean =>
  status === 401 ||
  status === 407 ||
  failoverOn.some((one) => one === status || one === `${Math.floor(status / 100)}xx`);

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

/** Every place was tried, or none had room (RFC 3261 §21.5.4). */
function noneLeft(state: Calling, atMs: number): UserStep {
  const statuses = state.branches.flatMap((one) => one.status ?? []);
  const status = statuses.length === 0 ? 503 : bestFailure(statuses);
  const text = statuses.length === 0 ? "every trunk is full" : "no trunk took the call";
  const headers: [string, string][] = [["Reason", `SIP;cause=${status};text="${text}"`]];
  if (status === 503) headers.push(["Retry-After", "5"]);
  return end(state, {
    atMs,
    cause: statuses.length === 0 ? "trunk-full" : "rejected",
    status,
    before: [reply(state.txn, status, headers)],
  });
}

const before = (effects: readonly Effect[], step: UserStep): UserStep => ({
  ...step,
  effects: [...effects, ...step.effects],
});
