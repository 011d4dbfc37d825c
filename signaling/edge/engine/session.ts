import {
  agreedByThem,
  agreedByUs,
  dueOf,
  requestTerms,
  responseTerms,
  termsOf,
  type SessionTimer,
} from "#signaling/edge/dialog/session-timer.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Headers } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import type { Answer, ClientTxn, LegRecord, ServerTxn } from "./record.ts";

/** Requests whose 2xx refreshes the session (RFC 4028 §7.4). */
const REFRESHING: ReadonlySet<string> = new Set(["INVITE", "UPDATE"]);

/** Our 2xx of an INVITE or UPDATE begins or refreshes the session; its headers say for how long. */
export function answerSession(draft: Draft, number: number, txn: ServerTxn, parts: Answer): Answer {
  const { session: settings, nowMs } = draft.context;
  const leg = draft.leg(number);
  if (!settings || !leg || parts.status < 200 || parts.status >= 300 || !REFRESHING.has(txn.method))
    return parts;
  if (leg.session === undefined && parts.timed !== true) return parts;
  const agreed = agreedByUs(txn.terms, settings);
  draft.putLeg(number, { ...leg, session: { ...agreed, at: nowMs } });
  return { ...parts, headers: [...responseTerms(agreed), ...(parts.headers ?? [])] };
}

/** The 2xx of our INVITE or UPDATE does so too. */
export function learnSession(draft: Draft, number: number, txn: ClientTxn, response: SipMessage): void {
  const leg = draft.leg(number);
  if (!leg?.session || response.status >= 300 || !REFRESHING.has(txn.method)) return;
  const agreed = agreedByThem(termsOf(response), leg.session);
  // An UPDATE is not told again what the peer can do.
  const kept = txn.method === "UPDATE" && leg.session.update ? { update: true as const } : {};
  draft.putLeg(number, { ...leg, session: { ...agreed, ...kept, at: draft.context.nowMs } });
}

/** The headers of a request of ours that begins or refreshes a session. */
export const sessionHeaders = (session: SessionTimer | undefined, method: string): Headers =>
  session && REFRESHING.has(method) && (session.at === undefined || session.timer === true)
    ? requestTerms(session)
    : [];

/** When the session of a leg needs attention; undefined while a refresh is under way. */
export function sessionDue({ session, dialog, clients }: LegRecord): number | undefined {
  if (!session || dialog?.state !== "confirmed") return undefined;
  return clients.some(({ refresh, state }) => refresh === true && state.name !== "completed")
    ? undefined
    : dueOf(session);
}
