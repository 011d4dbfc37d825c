import type { Flow, SipCommand } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import { noteFollower } from "./followers.ts";
import { parseLegId } from "./ids.ts";
import type { ClientTxn, LegRecord, ServerTxn } from "./record.ts";
import { statusOf } from "./respond.ts";
import { scheduleOf } from "./schedule.ts";
import { resend } from "./send-request.ts";

/** Carries out `follow`. */
export function follow(
  draft: Draft,
  { leg, registration, flow }: Omit<Extract<SipCommand, { type: "follow" }>, "type">,
): void {
  const address = parseLegId(leg);
  if (address?.call !== draft.call) return;
  if (flow) moveLeg(draft, address.number, flow);
  const known = draft.leg(address.number);
  if (known?.dialog && !isOver(known)) noteFollower(draft, address.number, registration);
  else draft.follows.push({ ...registration, leg });
}

/**
 * The peer of a leg is reached by another flow now: its dialog goes there, and whatever is unanswered is sent again, the very
 * same bytes. A peer that had it already knows the branch and answers from its transaction; one that was struck in between
 * rings now. Responses follow too: the connection that their request came by is gone (RFC 3261 §18.2.2, RFC 5626 §4.3).
 *
 * @param given the flow that is lost, when it is not the dialog's own
 */
export function moveLeg(draft: Draft, number: number, flow: Flow, given?: Flow): void {
  const leg = draft.leg(number);
  const lost = given ?? leg?.dialog?.flow;
  if (!leg?.dialog || !lost || isSame(lost, flow)) return;
  const moved = <T extends ServerTxn | ClientTxn>(txn: T): T =>
    isSame(txn.flow, lost) ? { ...txn, flow } : txn;
  const clients = leg.clients.map((txn) => settled(moved(txn), lost, flow));
  const servers = leg.servers.map(moved);
  const forks =
    leg.forks &&
    Object.fromEntries(Object.entries(leg.forks).map(([tag, dialog]) => [tag, { ...dialog, flow }]));
  const dialog = isSame(leg.dialog.flow, lost) ? { ...leg.dialog, flow } : leg.dialog;
  draft.putLeg(number, { ...leg, dialog, ...(forks && { forks }), clients, servers });
  for (const [i, txn] of clients.entries())
    if (txn !== leg.clients[i] && scheduleOf(txn).forgetAtMs === undefined) resend(draft, txn);
  for (const [i, txn] of servers.entries()) {
    if (txn === leg.servers[i] || txn.response === undefined) continue;
    draft.send({
      flow,
      text: txn.response,
      method: txn.method,
      status: statusOf(txn.response),
      of: txn.id,
      retransmission: true,
    });
  }
}

/** A peer that lost its connection speaks over a new one: what it has not answered follows it there. */
export function backOn(draft: Draft, number: number, leg: LegRecord, source: Flow): LegRecord {
  if (!leg.registration || !leg.dialog || isSame(leg.dialog.flow, source)) return leg;
  moveLeg(draft, number, source);
  noteFollower(draft, number, leg.registration);
  return { ...leg, ...draft.leg(number) };
}

/** Nothing more will be sent to this leg. */
const isOver = ({ dialog, clients, servers }: LegRecord): boolean =>
  dialog?.state === "ended" &&
  [...clients, ...servers].every((txn) => scheduleOf(txn).forgetAtMs !== undefined);

/** A request of ours, without the wait for the connection that is there now; its ACK goes there as well. */
function settled(txn: ClientTxn, lost: Flow, flow: Flow): ClientTxn {
  if (txn.kind === "invite-client" && txn.ackFlow && isSame(txn.ackFlow, lost))
    return { ...txn, ackFlow: flow };
  if (!txn.lost) return txn;
  const { lost: _lost, patientUntilMs: _until, ...rest } = txn;
  return rest;
}

/** The same way to a peer. */
export const isSame = (a: Flow, b: Flow): boolean =>
  a.transport === b.transport &&
  a.host === b.host &&
  a.port === b.port &&
  a.connection === b.connection &&
  a.instance === b.instance;
