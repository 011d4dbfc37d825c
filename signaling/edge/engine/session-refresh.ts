import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import type { LegRecord } from "./record.ts";
import { sendInDialog } from "./send-request.ts";

/** A refresh that could not be sent is tried again after so long, in ms. */
const RETRY_MS = 10_000;

/** The time of a session has come: we refresh it, or nobody has (RFC 4028 §10). */
export function sessionTimeout(draft: Draft, number: number, leg: LegRecord): SipEvent | undefined {
  const { session } = leg;
  if (!session) return undefined;
  if (session.by === "them") return hangUp(draft, leg);
  // A peer without UPDATE is asked for a sign of life; its own timer, if it has one, is its own to refresh.
  const method = session.update === true || session.timer === true ? "UPDATE" : "OPTIONS";
  sendInDialog(draft, { leg: leg.leg, method, refresh: true });
  return undefined;
}

/** A final response to a refresh, or that none came: 408, 481 (RFC 4028 §10) and a transport that failed. */
export function refreshed(
  draft: Draft,
  number: number,
  status: number,
  minSe?: string,
): SipEvent | undefined {
  const leg = draft.leg(number);
  if (!leg?.session || status < 200) return undefined;
  const { nowMs } = draft.context;
  const { session } = leg;
  if (status === 408 || status === 481) return hangUp(draft, leg);
  if (status === 503) {
    // A connection that is gone may come back by a new registration; not for ever.
    if (nowMs >= (session.at ?? 0) + session.s * 1_000) return hangUp(draft, leg);
    draft.putLeg(number, { ...leg, session: { ...session, at: nowMs + RETRY_MS - session.s * 500 } });
    return undefined;
  }
  const s = status === 422 ? Math.max(session.s, Number.parseInt(minSe ?? "", 10) || 0) : session.s;
  // Whatever it says, the peer is there.
  draft.putLeg(number, { ...leg, session: { ...session, s, at: nowMs } });
  return undefined;
}

function hangUp(draft: Draft, leg: LegRecord): SipEvent {
  sendInDialog(draft, { leg: leg.leg, method: "BYE" });
  return { type: "session-expired", leg: leg.leg };
}
