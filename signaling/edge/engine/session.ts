import {
  agreedByThem,
  agreedByUs,
  dueOf,
  endOf,
  refreshesByInvite,
  requestTerms,
  responseTerms,
  termsOf,
  type SessionTerms,
  type SessionTimer,
} from "#signaling/edge/dialog/session-timer.ts";
import { mediaPlaceOf } from "#signaling/edge/dialog/media-place.ts";
import { parseOwn } from "./compose.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Headers } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import type { Answer, ClientTxn, LegRecord, ServerTxn } from "./record.ts";

/** Requests whose 2xx refreshes the session (RFC 4028 §7.4). */
const REFRESHING: ReadonlySet<string> = new Set(["INVITE", "UPDATE"]);

const SDP = "application/sdp";
type Description = Pick<Answer, "body" | "contentType">;

/** A refresh of ours that has no final response yet. */
export const isOpenRefresh = ({ refresh, state }: ClientTxn): boolean =>
  refresh === true && state.name !== "completed" && state.name !== "accepted";

/** Our 2xx of an INVITE or UPDATE begins or refreshes the session; its headers say for how long. */
export function answerSession(draft: Draft, number: number, txn: ServerTxn, parts: Answer): Answer {
  const { session: settings, nowMs } = draft.context;
  const leg = draft.leg(number);
  if (!settings || !leg || parts.status < 200 || parts.status >= 300 || !REFRESHING.has(txn.method))
    return parts;
  if (leg.session === undefined && parts.timed !== true) return parts;
  const agreed = agreedByUs(txn.terms, settings);
  const body = parts.contentType === SDP ? parts.body : undefined;
  draft.putLeg(number, { ...leg, session: carryOn(leg.session, { ...agreed, at: nowMs }, () => body) });
  return { ...parts, headers: [...responseTerms(agreed), ...(parts.headers ?? [])] };
}

/** The 2xx of our INVITE or UPDATE does so too. */
export function learnSession(draft: Draft, number: number, txn: ClientTxn, response: SipMessage): void {
  const leg = draft.leg(number);
  if (!leg?.session || response.status >= 300 || !REFRESHING.has(txn.method)) return;
  const agreed = agreedByThem(termsOf(response), leg.session, draft.context.session?.minSeSeconds);
  const next = { ...agreed, at: draft.context.nowMs };
  draft.putLeg(number, {
    ...leg,
    session: carryOn(leg.session, next, () => descriptionIn(parseOwn(txn.request))),
  });
}

/** The answer that our ACK carries is the description that stands. */
export function describeInAck(draft: Draft, number: number, { body, contentType }: Description): void {
  const leg = draft.leg(number);
  if (!leg?.session || body === undefined || contentType !== SDP || !refreshesByInvite(leg.session)) return;
  draft.putLeg(number, { ...leg, session: { ...leg.session, sdp: body } });
}

/**
 * Notes where the peer wants its media, when it is refreshed by re-INVITE.
 *
 * @param terms what the message itself says of session timers, when the session is yet to be agreed on
 * @returns true when that is elsewhere than before
 */
export function learnPlace(draft: Draft, number: number, message: SipMessage, terms?: SessionTerms): boolean {
  const leg = draft.leg(number);
  const kept = terms ? terms.timer === true && !terms.update : leg?.session && refreshesByInvite(leg.session);
  const sdp = kept ? descriptionIn(message) : undefined;
  if (!leg || sdp === undefined) return false;
  const place = mediaPlaceOf(sdp);
  if (place === leg.place) return false;
  draft.putLeg(number, { ...leg, place });
  return leg.place !== undefined;
}

/** What was learnt of the peer stays, and our last description where a refresh has to repeat it. */
function carryOn(
  before: SessionTimer | undefined,
  next: SessionTimer,
  described: () => string | undefined,
): SessionTimer {
  const { update, min, sdp: last } = before ?? {};
  // Not every message in a dialog says again what its sender can do.
  const session = { ...next, ...(update && { update }), ...(min !== undefined && { min }) };
  const sdp = refreshesByInvite(session) ? (described() ?? last) : undefined;
  return { ...session, ...(sdp !== undefined && { sdp }) };
}

const descriptionIn = (message: SipMessage | undefined): string | undefined =>
  message?.hasBody && message.contentType === SDP ? message.body : undefined;

/** The headers of a request of ours that begins or refreshes a session. */
export const sessionHeaders = (session: SessionTimer | undefined, method: string): Headers =>
  session && REFRESHING.has(method) && (session.at === undefined || session.timer === true)
    ? requestTerms(session)
    : [];

/** When the session of a leg needs attention: while a refresh is under way, when it comes too late. */
export function sessionDue({ session, dialog, clients }: LegRecord): number | undefined {
  if (!session || dialog?.state !== "confirmed") return undefined;
  const open = clients.find(isOpenRefresh);
  if (!open) return dueOf(session);
  // A re-INVITE that rings has no limit of its own.
  return open.kind === "invite-client" ? endOf(session) : undefined;
}
