import type { EventOf } from "./call-event.ts";
import { sdpBody, sip, type Effect } from "./effect.ts";
import {
  end,
  isAlone,
  prack,
  reply,
  to,
  withBranch,
  type Branch,
  type Calling,
  type Talking,
  type UserStep,
} from "./user-call.ts";

/** Reliable responses of the callee that wait for the caller's PRACK; further ones are acknowledged here and not passed on. */
const MAX_UNACKNOWLEDGED = 8;

/** A provisional response of a contact. */
export function onProvisional(state: Calling, branch: Branch, event: EventOf<"response">): UserStep {
  const { status, sdp, reliable } = event;
  if (status === 100) return to(state);
  // What one phone alone says goes through as it is, with its early media, when media goes there directly.
  const direct = state.policy === undefined && isAlone(state);
  if (!reliable) return plainly(state, status, direct ? sdp : undefined);
  const { unacknowledged = [] } = state;
  if (direct && state.reliable === true && unacknowledged.length < MAX_UNACKNOWLEDGED) {
    // RFC 3262 end to end: the callee's PRACK follows the caller's, which may carry an answer or another offer.
    const one = { ...reliable, leg: branch.leg, described: sdp !== undefined };
    return to(
      { ...state, told: status, unacknowledged: [...unacknowledged, one] },
      sip({ type: "reply", txn: state.txn, status, reliable: true, ...sdpBody(sdp) }),
    );
  }
  // The answer will not come again in the 2xx.
  const known = sdp === undefined ? state : withBranch(state, { ...branch, answer: sdp });
  const { state: next, effects } = plainly(known, status, direct ? sdp : undefined);
  return to(next, prack(branch.leg, reliable), ...effects);
}

/** The caller's PRACK goes on to the contact whose response it acknowledges. */
export function onPrack(state: Calling, { txn, sdp }: EventOf<"prack">): UserStep {
  const [first, ...others] = state.unacknowledged ?? [];
  // A response of our own making: there is nothing in it that an offer could change.
  if (!first) return to(state, reply(txn, sdp === undefined ? 200 : 488));
  const { unacknowledged: _told, ...rest } = state;
  const agreed = first.described && (state.offered || sdp !== undefined);
  const next: Calling = {
    ...rest,
    ...(others.length > 0 && { unacknowledged: others }),
    ...(agreed && { agreed: true }),
  };
  if (sdp === undefined) return to(next, reply(txn, 200), prack(first.leg, first));
  // One exchange at a time.
  if (state.relay) return to(next, reply(txn, 488), prack(first.leg, first));
  return to(
    { ...next, relay: { phase: "asked", by: state.leg, txn, method: "PRACK", offered: true } },
    prack(first.leg, first, sdp),
  );
}

/** UPDATE (or re-INVITE) before the call is answered: RFC 3311 §5. */
export function onEarlyOffer(state: Calling, { leg, txn, method, sdp }: EventOf<"offer">): UserStep {
  const byCaller = leg === state.leg;
  const wait = () => reply(txn, 500, [["Retry-After", "2"]]);
  // RFC 3261 §14.2: no INVITE before the first is answered; the callee's would meet ours.
  if (method === "INVITE") return to(state, byCaller ? wait() : reply(txn, 491));
  // It refreshes the target or the session and changes nothing else.
  if (sdp === undefined) return to(state, reply(txn, 200));
  if (state.relay) return to(state, state.relay.by === leg ? wait() : reply(txn, 491));
  const branch = state.branches.at(-1);
  const direct = state.policy === undefined && isAlone(state) && branch?.state === "calling";
  if (!branch || !direct || state.agreed !== true) {
    // §5.2: 500 to whoever has made the offer that is open, 491 to the one that owes its answer.
    return to(state, byCaller === state.offered ? wait() : reply(txn, 491));
  }
  return to(
    { ...state, relay: { phase: "asked", by: leg, txn, method, offered: true } },
    sip({ type: "in-dialog", leg: byCaller ? branch.leg : state.leg, method, ...sdpBody(sdp) }),
  );
}

/** The callee's answer to a PRACK or UPDATE that was passed on. */
export function onEarlyResponse(
  state: Calling,
  { leg, method, status, local, sdp }: EventOf<"response">,
): UserStep {
  const { relay, ...rest } = state;
  if (relay?.phase !== "asked" || relay.method !== method || relay.by === leg || status < 200)
    return to(state);
  return to(rest, answerOf(relay.txn, local ? 500 : status, sdp));
}

/** The caller never acknowledged; the edge has refused its INVITE (RFC 3262 §3). */
export const onNoPrack = (state: Calling, { atMs }: EventOf<"prack-timeout">): UserStep =>
  end(state, { atMs, cause: "no-prack", status: 504 });

/** As above, when the callee has answered and the 2xx waited for the PRACK. */
export const onTalkNoPrack = (state: Talking, { atMs }: EventOf<"prack-timeout">): UserStep =>
  end(state, { atMs, cause: "no-prack", byes: [state.peer] });

const answerOf = (txn: string, status: number, sdp: string | undefined): Effect =>
  sip({ type: "reply", txn, status, ...(status < 300 ? sdpBody(sdp) : {}) });

/** Tells the caller that it rings, once, and early media when there is some. */
function plainly(state: Calling, status: number, early: string | undefined): UserStep {
  if (state.told !== undefined && (early === undefined || status === state.told)) return to(state);
  const told = early === undefined ? 180 : status;
  return to({ ...state, told }, sip({ type: "reply", txn: state.txn, status: told, ...sdpBody(early) }));
}
