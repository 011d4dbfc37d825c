import { bestFailure } from "./best-failure.ts";
import {
  cancelBranches, end, late, tellOrigin, to,
  type BridgedCall, type BridgedJoined, type BridgedStep, type DialBranch, type DialPlan,
} from "./bridged-call.ts"; // prettier-ignore
import type { EventOf } from "./call-event.ts";
import { sdpBody, sip, type Effect } from "./effect.ts";
import { MEDIA_RETRY_MS } from "./group-call.machine.ts";
import { askMedia, atRest, repeatPut } from "./media-leg.ts";
import { claim, elsewhere, hopFailureOf, noPlaceLeft } from "./trunk-hop.ts";
import { ALLOWED, routesOf } from "./user-call-branch.ts";
import { MAX_BRANCHES } from "./user-call-setup.ts";

type Dialling = Extract<BridgedCall, { name: "dialling" }>;

/**
 * Calls somebody on behalf of a referral: every contact of a user at once, or places outside one after the other. One offer
 * serves every contact of the kind that the best one is of.
 */
export function startDial(call: string, plan: DialPlan, atMs: number): BridgedStep {
  const {
    policy,
    partner,
    origin,
    depth,
    callee,
    from,
    to: dialled,
    destinations,
    inTurn,
    ringMs,
    parties,
    referredBy,
  } = plan;
  const webrtc = destinations[0]?.webrtc ?? false;
  const atOnce = inTurn ? [] : destinations.filter((one) => one.webrtc === webrtc).slice(0, MAX_BRANCHES);
  const branches = atOnce.map((destination, i): DialBranch => ({
    ...destination,
    leg: `${call}.${i + 1}`,
    state: "calling",
  }));
  const asked = askMedia(
    { leg: `${call}.0`, member: { ...callee, kind: webrtc ? "browser" : "phone" }, webrtc, revision: 0 },
    policy,
    { description: { type: "none", webrtc } },
  );
  return to(
    {
      kind: "bridged", name: "dialling", call, policy, media: asked.leg, sip: `${call}.1`, origin, depth, startMs: atMs, parties, from, to: dialled,
      ringMs, branches, referredBy, ...(partner !== undefined && { partner }), ...(inTurn && { later: destinations }),
    },
    { do: "timer", timer: "no-answer", atMs: atMs + ringMs },
    ...asked.effects,
  ); // prettier-ignore
}

export const sdpIn = (description: EventOf<"described">["description"]): string | undefined =>
  description && "sdp" in description ? description.sdp : undefined;

/** The media tier's offer goes out to every contact, or to the first place outside. */
export function ring(state: Dialling, event: EventOf<"described">): BridgedStep {
  const { media, branches, later } = state;
  if (!media.pending || media.revision !== event.revision) return to(state);
  const sdp = sdpIn(event.description);
  const next: Dialling = { ...state, media: atRest(media) };
  if (later) return dialNext({ ...next, ...(sdp !== undefined && { offer: sdp }) }, event.atMs);
  return to(next, ...branches.map((branch) => invite(state, branch, sdp)));
}

/** What they answer. */
export function onDialResponse(state: Dialling, event: EventOf<"response">): BridgedStep {
  const { leg, method, status, sdp, local, atMs } = event;
  const branch = state.branches.find((one) => one.leg === leg);
  if (branch?.state === "over" && method === "INVITE" && status >= 200 && status < 300)
    return to(state, sip({ type: "ack", leg }), sip({ type: "in-dialog", leg, method: "BYE" }));
  if (branch?.state !== "calling") return late(state, event);
  if (status < 200) {
    if (state.told !== undefined || status === 100) return to(state);
    return to({ ...state, told: 180 }, ...tellOrigin(state, 180));
  }
  if (status < 300) {
    if (sdp === undefined)
      return end(state, {
        atMs,
        cause: "media-refused",
        status: 500,
        before: [sip({ type: "ack", leg }), sip({ type: "in-dialog", leg, method: "BYE" }), ...cancelBranches(state.branches, leg)],
      }); // prettier-ignore
    const asked = askMedia(state.media, state.policy, { description: { type: "answer", sdp } });
    const joined: BridgedJoined = {
      ...baseOf(state),
      name: "joined",
      sip: leg,
      media: asked.leg,
      answerMs: atMs,
    };
    return to(
      joined,
      sip({ type: "ack", leg }),
      ...cancelBranches(state.branches, leg),
      { do: "timer", timer: "no-answer", atMs: undefined },
      { do: "timer", timer: "media", atMs: atMs + MEDIA_RETRY_MS },
      ...asked.effects,
      ...tellOrigin(state, 200),
    );
  }
  if (branch.trunk) {
    const failure = hopFailureOf(branch.trunk, event);
    const over = withBranch(state, { ...branch, state: "over", status: failure.status });
    const step = failure.next ? dialNext(over, atMs) : allOver(over, status, atMs);
    return { ...step, effects: [...failure.effects, ...step.effects] };
  }
  return allOver(withBranch(state, { ...branch, state: "over", status: local ? 480 : status }), status, atMs);
}

/** The trunk has room for the call, or not: then the next trunk is tried. */
export function onDialClaimed(
  state: Dialling,
  { leg, claim: outcome, atMs }: EventOf<"claimed">,
): BridgedStep {
  const branch = state.branches.find((one) => one.leg === leg);
  if (branch?.state !== "claiming") return to(state);
  if (outcome === "claimed") return callHop(state, branch);
  const later = elsewhere(state.later, branch.trunk);
  return dialNext(withBranch({ ...state, later }, { ...branch, state: "over" }), atMs);
}

/** The effects of a call that is being dialled, again. */
export const repeatDial = ({ media, policy, branches }: Dialling): Effect[] => [
  ...repeatPut(media, policy),
  ...branches.flatMap((branch) => (branch.state === "claiming" ? claim(branch) : [])),
];

/** Tries the next place outside; ends the call when there is none. */
function dialNext(state: Dialling, atMs: number): BridgedStep {
  const [hop, ...later] = state.later ?? [];
  if (!hop?.trunk)
    return end(state, { atMs, ...noPlaceLeft(state.branches.flatMap((one) => one.status ?? [])) });
  const branch: DialBranch = { ...hop, leg: `${state.call}.${state.branches.length + 1}`, state: "claiming" };
  const next: Dialling = { ...state, later, trunk: hop.trunk.id, branches: [...state.branches, branch] };
  // Room was claimed for the peer before it.
  return state.trunk === hop.trunk.id ? callHop(next, branch) : to(next, ...claim(branch));
}

function callHop(state: Dialling, branch: DialBranch): BridgedStep {
  const calling: DialBranch = { ...branch, state: "calling" };
  return to(withBranch(state, calling), invite(state, calling, state.offer));
}

/** Ends the call when nobody is called any more, or one has spoken for all (RFC 3261 §16.7 item 5). */
function allOver(state: Dialling, status: number, atMs: number): BridgedStep {
  const { branches } = state;
  if (status < 600 && branches.some((one) => one.state === "calling")) return to(state);
  const best = bestFailure(branches.flatMap((one) => one.status ?? []));
  return end(state, { atMs, cause: "rejected", status: best, before: cancelBranches(branches) });
}

/** The INVITE to one contact, or to one place outside, which is not told who referred. */
const invite = (
  { from, to: dialled, referredBy }: Dialling,
  { leg, uri, flow, path, trunk }: DialBranch,
  sdp: string | undefined,
): Effect =>
  sip({
    type: "request",
    leg,
    method: "INVITE",
    timed: true,
    uri,
    from: trunk?.from ?? from,
    to: trunk?.to ?? dialled,
    flow,
    headers: [
      ...routesOf(path),
      ALLOWED,
      ...(trunk ? trunk.headers : [["Referred-By", referredBy] as const]),
    ],
    ...(trunk && { patienceMs: trunk.patienceMs, account: trunk.id }),
    ...sdpBody(sdp),
  });

const withBranch = (state: Dialling, branch: DialBranch): Dialling => ({
  ...state,
  branches: state.branches.map((one) => (one.leg === branch.leg ? branch : one)),
});

/** What stays of it once somebody has answered. */
function baseOf(state: Dialling): Omit<BridgedJoined, "name" | "answerMs"> {
  const { kind, call, policy, media, sip: leg, trunk, partner, origin, depth, startMs, parties } = state;
  return {
    kind, call, policy, media, sip: leg, depth, startMs, parties,
    ...(trunk !== undefined && { trunk }), ...(partner !== undefined && { partner }), ...(origin !== undefined && { origin }),
  }; // prettier-ignore
}
