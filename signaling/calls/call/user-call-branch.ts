import type { GroupPolicy, Member } from "#common/media-control.ts";
import { METHODS } from "#signaling/calls/capabilities.ts";
import { bestFailure } from "./best-failure.ts";
import type { UserInvite } from "./call-event.ts";
import { sdpBody, sip, type Effect } from "./effect.ts";
import {
  end,
  isAlone,
  removeMedia,
  reply,
  to,
  withBranch,
  type Branch,
  type Calling,
  type UserStep,
} from "./user-call.ts";

/** What we say in requests that begin a call. */
export const ALLOWED: readonly [string, string] = ["Allow", METHODS.join(", ")];
const RELIABLE: readonly [string, string] = ["Supported", "100rel"];

/** One contact is out; the call with it when it was the last, or when it spoke for the callee (6xx, RFC 3261 §16.7 item 5). */
export function branchOver(state: Calling, branch: Branch, status: number, atMs: number): UserStep {
  const { state: next, effects } = removeMedia(
    withBranch(state, { ...branch, state: "over", status }),
    new Set([branch.leg]),
  );
  const open = next.branches.some(({ state: at }) => at !== "over");
  if (open && status < 600) return to(next, ...effects);
  const best = bestFailure(next.branches.flatMap((one) => one.status ?? []));
  return end(next, { atMs, cause: "rejected", status: best, before: [reply(state.txn, best), ...effects] });
}

/** The proxies that a contact registered through (RFC 3327 §5.4). */
export const routesOf = (path: readonly string[] = []): [string, string][] =>
  path.map((value) => ["Route", value]);

/** The INVITE to one contact, or to one place outside. */
export const invite = (
  state: Calling,
  { leg, uri, flow, key, trunk, path }: Branch,
  sdp: string | undefined,
): Effect =>
  sip({
    type: "request",
    leg,
    method: "INVITE",
    timed: true,
    uri,
    from: trunk?.from ?? state.from,
    to: trunk?.to ?? state.to,
    flow,
    ...(!trunk && { registration: { user: state.callee, key } }),
    headers: [...routesOf(path), ALLOWED, ...(reliably(state) ? [RELIABLE] : []), ...(trunk?.headers ?? [])],
    ...(trunk && { patienceMs: trunk.patienceMs, account: trunk.id }),
    ...sdpBody(sdp),
  });

/** Contacts are offered what the caller can do; of several offers in reliable responses the caller could answer one only. */
const reliably = (state: Calling): boolean =>
  state.reliable === true && (state.offered || state.policy !== undefined || isAlone(state));

export const memberOf = (callee: UserInvite["callee"], { webrtc }: Branch): Member => ({
  ...callee,
  kind: webrtc ? "browser" : "phone",
});

/** The group that two users' media legs meet in. */
export const callPolicy = (call: string): GroupPolicy => ({
  id: `call-${call}`, name: "Call", mode: "full-duplex", maxTalkMs: 600_000, hangMs: 0, queue: false, phonePtt: "vox",
}); // prettier-ignore
