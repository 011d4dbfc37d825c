import {
  endOf,
  intervalAskedFor,
  refreshesByInvite,
  requestTerms,
} from "#signaling/edge/dialog/session-timer.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import { sendAnew, isWanted } from "./failover.ts";
import type { ClientTxn, InviteClientTxn, LegRecord } from "./record.ts";
import { sendAck, sendCancel, sendInDialog } from "./send-request.ts";
import { isOpenRefresh } from "./session.ts";

/** The time of a session has come: we refresh it, or nobody has (RFC 4028 §10). */
export function sessionTimeout(draft: Draft, number: number, leg: LegRecord): SipEvent | undefined {
  const { session } = leg;
  if (!session) return undefined;
  const { nowMs } = draft.context;
  if (session.by === "them" || nowMs >= (endOf(session) ?? Infinity)) return hangUp(draft, leg);
  if (refreshesByInvite(session) && session.sdp !== undefined) {
    // RFC 3261 §14.1: not beside another INVITE, whose 2xx refreshes as well.
    if (isInviting(leg)) {
      tryLater(draft, number, leg, eighth(session.s));
      return undefined;
    }
    const offer = { body: session.sdp, contentType: "application/sdp" };
    sendInDialog(draft, { leg: leg.leg, method: "INVITE", refresh: true, ...offer });
    return undefined;
  }
  // A peer without UPDATE is asked for a sign of life; its own timer, if it has one, is its own to refresh.
  const method = session.update === true || session.timer === true ? "UPDATE" : "OPTIONS";
  sendInDialog(draft, { leg: leg.leg, method, refresh: true });
  return undefined;
}

/**
 * A response to a re-INVITE that refreshes. What it answers is what stood before, so call control is told of it only when the
 * peer wants its media elsewhere from now on.
 */
export function refreshAnswered(
  draft: Draft,
  number: number,
  txn: InviteClientTxn,
  response: SipMessage,
  moved: boolean,
): SipEvent | undefined {
  const leg = draft.leg(number);
  if (!leg || response.status < 200) return undefined;
  if (response.status < 300) {
    sendAck(draft, { type: "ack", leg: leg.leg });
    const stood = leg.session?.sdp ?? "";
    return moved ? { type: "media-moved", leg: leg.leg, message: response, stood } : undefined;
  }
  return refreshed(draft, number, txn, response.status, response);
}

/** A final response to a refresh, or that none came: 408, 481 (RFC 4028 §10) and a transport that failed. */
export function refreshed(
  draft: Draft,
  number: number,
  txn: ClientTxn,
  status: number,
  response?: SipMessage,
): SipEvent | undefined {
  const leg = draft.leg(number);
  if (!leg?.session || status < 200 || leg.dialog?.state !== "confirmed") return undefined;
  const { session } = leg;
  const { nowMs } = draft.context;
  if (status === 408 || status === 481) return hangUp(draft, leg);
  // A connection that is gone may come back by a new registration.
  if (status === 503 && !response) {
    tryLater(draft, number, leg, RETRY_MS);
    return undefined;
  }
  const min = status === 422 ? intervalAskedFor(response?.header("min-se")) : undefined;
  if (min !== undefined && session.min === undefined) {
    const s = Math.max(session.s, min);
    draft.putLeg(number, { ...leg, session: { ...session, s, min, again: nowMs } });
    return undefined;
  }
  if (txn.method !== "INVITE") {
    // Whatever it says, the peer is there.
    const { again: _tried, ...rest } = session;
    draft.putLeg(number, { ...leg, session: { ...rest, at: nowMs } });
    return undefined;
  }
  // RFC 3261 §14.1: whoever made the Call-ID waits longer. The rest is tried a few times until the session is over.
  const wait = status === 491 ? (leg.dialog.callId === leg.leg ? 2_100 : 0) + (nowMs % 190) * 10 : undefined;
  tryLater(draft, number, leg, wait ?? eighth(session.s));
  return undefined;
}

/**
 * RFC 4028 §7.3: the first INVITE of a leg that was too short for its callee is sent once more with the interval that it
 * asks for; call control knows it by its first id.
 *
 * @returns false when there is nothing to try, or nobody wants the call any more
 */
export function tryLonger(draft: Draft, number: number, txn: ClientTxn, response: SipMessage): boolean {
  const leg = draft.leg(number);
  const min = intervalAskedFor(response.header("min-se"));
  if (!leg?.session || min === undefined || leg.session.min !== undefined) return false;
  if (leg.session.at !== undefined || min <= leg.session.s || !isWanted(draft, number, txn)) return false;
  const session = { ...leg.session, s: min, min };
  draft.putLeg(number, { ...leg, session });
  const terms = requestTerms(session).filter(([name]) => name !== "Supported");
  return sendAnew(draft, number, txn, txn.flow, txn.others ?? [], terms);
}

/** A refresh that could not be sent is tried again after so long, in ms. */
const RETRY_MS = 10_000;
/** §10: a refresh that fails is not tried without a pause; after half the interval, three times are left. In ms. */
const eighth = (seconds: number): number => seconds * 125;

function tryLater(draft: Draft, number: number, leg: LegRecord, waitMs: number): void {
  if (!leg.session) return;
  draft.putLeg(number, { ...leg, session: { ...leg.session, again: draft.context.nowMs + waitMs } });
}

/** An INVITE of either side is under way, or an UPDATE of ours. */
const isInviting = ({ servers, clients }: LegRecord): boolean =>
  servers.some(
    ({ kind, state }) =>
      kind === "invite-server" && (state.name === "proceeding" || state.name === "accepted"),
  ) ||
  clients.some(
    ({ method, state }) =>
      (method === "INVITE" || method === "UPDATE") && state.name !== "accepted" && state.name !== "completed",
  );

function hangUp(draft: Draft, leg: LegRecord): SipEvent {
  if (leg.clients.some((txn) => txn.kind === "invite-client" && isOpenRefresh(txn)))
    sendCancel(draft, { type: "cancel", leg: leg.leg });
  sendInDialog(draft, { leg: leg.leg, method: "BYE" });
  return { type: "session-expired", leg: leg.leg };
}
