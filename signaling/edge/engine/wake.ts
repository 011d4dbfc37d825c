import * as inviteClient from "#signaling/edge/transaction/invite-client.machine.ts";
import * as inviteServer from "#signaling/edge/transaction/invite-server.machine.ts";
import * as nonInviteClient from "#signaling/edge/transaction/non-invite-client.machine.ts";
import { nextResend } from "#signaling/edge/transaction/timing.ts";
import { withoutSubscriber } from "#signaling/edge/dialog/dialog.ts";
import { PROXY_TIMER } from "#signaling/edge/proxy/branches.ts";
import { branchDue, branchLost } from "#signaling/edge/proxy/proxy-response.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import { localResponse } from "./local-response.ts";
import type { ClientTxn, InviteClientTxn, InviteServerTxn, ServerTxn } from "./record.ts";
import { answer, statusOf } from "./respond.ts";
import { isReliable, isUnheard, scheduleOf, transactionsOf } from "./schedule.ts";
import { resend, sendInDialog } from "./send-request.ts";
import { sessionDue } from "./session.ts";
import type { Mark } from "./witness.ts";
import { refreshed, sessionTimeout } from "./session-refresh.ts";
import { tryNext } from "./failover.ts";

/** What the clock asks of call control. */
export type Woken = { readonly event: SipEvent } | { readonly timer: string } | undefined;

/**
 * Does what fell due in a call after `sinceMs`: retransmissions, then one expiry or one timer (the rest at the next wake).
 * The record has just been read, so an ACK or response that another instance took stops what it must stop.
 */
export function wake(draft: Draft, sinceMs: number): Woken {
  const { nowMs } = draft.context;
  resendDue(draft, sinceMs);
  for (const [number, leg] of Object.entries(draft.record.legs))
    for (const txn of transactionsOf(leg))
      if ((scheduleOf(txn).expireAtMs ?? Infinity) <= nowMs) {
        const event = expire(draft, Number(number), txn);
        return event && { event };
      }
  for (const [number, leg] of Object.entries(draft.record.legs))
    if ((sessionDue(leg) ?? Infinity) <= nowMs) {
      const event = sessionTimeout(draft, Number(number), leg);
      return event && { event };
    }
  for (const [name, atMs] of Object.entries(draft.record.timers))
    if (atMs <= nowMs) {
      const { [name]: _fired, ...timers } = draft.record.timers;
      draft.record = { ...draft.record, timers };
      if (!name.startsWith(PROXY_TIMER)) return { timer: name };
      const event = branchDue(draft, Number(name.slice(PROXY_TIMER.length)));
      return event && { event };
    }
  return undefined;
}

/** What a deadline came to, for whoever looks on. */
export function markOf(woken: NonNullable<Woken>): [Mark, string] {
  if ("timer" in woken) return ["timer", woken.timer];
  const { event } = woken;
  return ["timeout", event.type === "response" ? event.method : event.type];
}

/** After a take-over: sends again whatever may not have left before its sender died. Every peer absorbs what it knows. */
export function resendAll(draft: Draft): void {
  for (const leg of Object.values(draft.record.legs))
    for (const txn of transactionsOf(leg))
      if (scheduleOf(txn).forgetAtMs === undefined && !hasArrived(txn)) sendAgain(draft, txn);
}

/**
 * An INVITE that its peer has answered provisionally: over UDP the peer repeats the final response until we acknowledge
 * it (RFC 3261 §13.3.1.4, §17.2.1), and not every peer absorbs an INVITE that comes again after its 200. What was said
 * over a connection that died with us is not repeated, so there the INVITE asks for it.
 */
const hasArrived = (txn: ServerTxn | ClientTxn): boolean =>
  txn.kind === "invite-client" && txn.state.name === "proceeding" && !isReliable(txn.flow);

/** A message could not be sent: its transaction ends with a local 503 (RFC 3261 §17.1.4). */
export function transportFailed(draft: Draft, number: number, id: string): SipEvent | undefined {
  const leg = draft.leg(number);
  const txn = leg?.clients.find((client) => client.id === id);
  const step =
    txn?.kind === "invite-client"
      ? inviteClient.step(txn.state, { type: "transport-error" })
      : txn && nonInviteClient.step(txn.state, { type: "transport-error" });
  return leg && txn && step ? end(draft, number, txn, 503) : undefined;
}

function resendDue(draft: Draft, sinceMs: number): void {
  for (const leg of Object.values(draft.record.legs))
    for (const txn of transactionsOf(leg)) {
      const { resend: plan, expireAtMs = Infinity } = scheduleOf(txn);
      if (plan && expireAtMs > draft.context.nowMs && nextResend(plan, sinceMs) <= draft.context.nowMs)
        sendAgain(draft, txn);
    }
}

function sendAgain(draft: Draft, txn: ServerTxn | ClientTxn): void {
  if (txn.kind === "client" || txn.kind === "invite-client") {
    resend(draft, txn);
    return;
  }
  if (txn.response === undefined) return;
  const { response: text, flow, method, id } = txn;
  draft.send({ flow, text, method, status: statusOf(text), of: id, retransmission: true });
}

function expire(draft: Draft, number: number, txn: ServerTxn | ClientTxn): SipEvent | undefined {
  if ((txn.kind === "invite-client" || txn.kind === "client") && txn.lost && isUnheard(txn))
    return end(draft, number, txn, 503);
  if (txn.kind === "invite-client" && isUnheard(txn)) return giveUp(draft, number, txn);
  if (txn.kind === "client" || txn.kind === "invite-client") return end(draft, number, txn, 408);
  if (txn.kind === "server") return undefined;
  if (txn.state.name === "proceeding") return unacknowledged(draft, number, txn);
  const step = inviteServer.step(txn.state, { type: "expire" });
  const leg = draft.leg(number);
  if (!step || !leg) return undefined;
  draft.putLeg(number, {
    ...leg,
    servers: leg.servers.filter(({ id }) => id !== txn.id),
    doneInvite: txn.seq,
  });
  draft.ended.push({ kind: txn.kind, outcome: "ack-timeout" });
  if (!step.effects.some((effect) => effect.do === "report")) return undefined;
  sendInDialog(draft, { leg: leg.leg, method: "BYE" });
  return { type: "ack-timeout", leg: leg.leg };
}

/** Told as lost, but the INVITE stays: whoever answers it late has to be taken down again (§9.1). */
function giveUp(draft: Draft, number: number, txn: InviteClientTxn): SipEvent | undefined {
  const step = inviteClient.step(txn.state, { type: "cancel", nowMs: draft.context.nowMs });
  const { patientUntilMs: _passed, ...rest } = txn;
  if (step) draft.putClient(number, { ...rest, state: step.state });
  const leg = draft.leg(number);
  return leg && localResponse(leg.leg, txn, 408);
}

/** RFC 3262 §3: without its PRACK the INVITE is refused. */
function unacknowledged(draft: Draft, number: number, txn: InviteServerTxn): SipEvent | undefined {
  const leg = draft.leg(number);
  if (!leg) return undefined;
  answer(draft, number, txn, { status: 504 });
  draft.ended.push({ kind: txn.kind, outcome: "prack-timeout" });
  return { type: "prack-timeout", leg: leg.leg, txn: txn.id };
}

function end(draft: Draft, number: number, txn: ClientTxn, status: 408 | 503): SipEvent | undefined {
  const leg = draft.leg(number);
  if (!leg) return undefined;
  const event = draft.record.proxy ? undefined : localResponse(leg.leg, txn, status);
  const unheard =
    txn.method === "NOTIFY" && leg.dialog ? { dialog: withoutSubscriber(leg.dialog, status) } : {};
  draft.putLeg(number, { ...leg, ...unheard, clients: leg.clients.filter(({ id }) => id !== txn.id) });
  draft.ended.push({ kind: txn.kind, outcome: status === 408 ? "timeout" : "transport" });
  if (!draft.record.proxy && tryNext(draft, number, txn)) return undefined;
  if (txn.refresh === true) return refreshed(draft, number, txn, status);
  return draft.record.proxy ? branchLost(draft, number, status) : event;
}
