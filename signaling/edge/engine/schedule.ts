import * as inviteClient from "#signaling/edge/transaction/invite-client.machine.ts";
import * as inviteServer from "#signaling/edge/transaction/invite-server.machine.ts";
import * as nonInviteClient from "#signaling/edge/transaction/non-invite-client.machine.ts";
import * as nonInviteServer from "#signaling/edge/transaction/non-invite-server.machine.ts";
import * as provisionals from "#signaling/edge/transaction/reliable-provisional.machine.ts";
import { nextResend, TIMEOUT, type Schedule } from "#signaling/edge/transaction/timing.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { CallRecord, ClientTxn, LegRecord, ServerTxn } from "./record.ts";
import { sessionDue } from "./session.ts";

/** Longest life of a record that still has a dialog, when call control sets none, in ms. */
const DIALOG_TTL_MS = 24 * 3_600_000;
/** A call that is being set up ends within this time; see RFC 3261 §16.6 timer C for the order of it. */
const SETUP_TTL_MS = 900_000;
/** What is over stays for this long, to absorb what is still under way. */
export const TOMBSTONE_MS = TIMEOUT + 4_000;

export const isReliable = (flow: Flow): boolean => flow.transport !== "udp";

export function scheduleOf(txn: ServerTxn | ClientTxn): Schedule {
  const reliable = isReliable(txn.flow);
  switch (txn.kind) {
    case "invite-server":
      return txn.state.name === "proceeding" && txn.provisionals
        ? provisionals.scheduleOf(txn.provisionals)
        : inviteServer.scheduleOf(txn.state, reliable);
    case "server":
      return nonInviteServer.scheduleOf(txn.state, reliable);
    case "invite-client":
      return withPatience(txn, inviteClient.scheduleOf(txn.state, reliable));
    case "client":
      return withPatience(txn, nonInviteClient.scheduleOf(txn.state, reliable));
  }
}

/** True while the peer of a request with a limit of its own has said nothing. */
export const isUnheard = ({ state, patientUntilMs }: ClientTxn): boolean =>
  patientUntilMs !== undefined && (state.name === "calling" || state.name === "trying");

const withPatience = (txn: ClientTxn, schedule: Schedule): Schedule =>
  isUnheard(txn)
    ? { ...schedule, expireAtMs: Math.min(schedule.expireAtMs ?? Infinity, txn.patientUntilMs ?? Infinity) }
    : schedule;

/** True while somebody has to act although no message comes: a survivor must take it over. */
export const isPending = (txn: ServerTxn | ClientTxn): boolean => scheduleOf(txn).forgetAtMs === undefined;

export const transactionsOf = (leg: LegRecord): readonly (ServerTxn | ClientTxn)[] => [
  ...leg.servers,
  ...leg.clients,
];

/** True while any transaction of the call is unfinished. */
export function isUnstable(record: CallRecord): boolean {
  for (const leg of Object.values(record.legs))
    if (leg.servers.some(isPending) || leg.clients.some(isPending)) return true;
  return false;
}

/** True while any leg has an established dialog. */
export function hasDialog(record: CallRecord): boolean {
  for (const leg of Object.values(record.legs)) if (leg.dialog?.state === "confirmed") return true;
  return false;
}

/** When the process that holds the call has to wake: the next retransmission, expiry or timer. Undefined for never. */
export function nextWake(record: CallRecord, nowMs: number): number | undefined {
  let wake = Infinity;
  for (const leg of Object.values(record.legs)) {
    wake = Math.min(wake, sessionDue(leg) ?? Infinity);
    for (const txn of transactionsOf(leg)) {
      const { resend, expireAtMs } = scheduleOf(txn);
      if (resend) wake = Math.min(wake, nextResend(resend, nowMs));
      if (expireAtMs !== undefined) wake = Math.min(wake, expireAtMs);
    }
  }
  for (const atMs of Object.values(record.timers)) wake = Math.min(wake, atMs);
  return wake === Infinity ? undefined : wake;
}

/** When another process must look at the call: at once while it is unfinished (the worker may be dead), else at its next timer. */
export function dueAt(record: CallRecord, nowMs: number): number | undefined {
  if (isUnstable(record)) return nowMs;
  let next = Math.min(...Object.values(record.timers));
  for (const leg of Object.values(record.legs)) next = Math.min(next, sessionDue(leg) ?? Infinity);
  return next === Infinity ? undefined : next;
}

/** How long the record may lie untouched. */
export function ttlOf(record: CallRecord): number {
  const chosen = record.ttlMs ?? 0;
  if (hasDialog(record)) return record.ttlMs ?? DIALOG_TTL_MS;
  if (isUnstable(record)) return Math.max(chosen, SETUP_TTL_MS);
  return Math.max(chosen, TOMBSTONE_MS);
}

/** Drops transactions that nothing is expected of any more. */
export function prune(leg: LegRecord, nowMs: number): LegRecord {
  const live = (txn: ServerTxn | ClientTxn): boolean => (scheduleOf(txn).forgetAtMs ?? Infinity) > nowMs;
  const servers = leg.servers.every(live) ? leg.servers : leg.servers.filter(live);
  const clients = leg.clients.every(live) ? leg.clients : leg.clients.filter(live);
  return servers === leg.servers && clients === leg.clients ? leg : { ...leg, servers, clients };
}
