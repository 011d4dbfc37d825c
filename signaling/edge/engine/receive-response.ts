import {
  dialogOfResponse,
  identityOf,
  refreshTarget,
  routeOf,
  withoutSubscriber,
  type DialogRecord,
} from "#signaling/edge/dialog/dialog.ts";
import { nextHop } from "#signaling/edge/dialog/next-hop.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import * as inviteClient from "#signaling/edge/transaction/invite-client.machine.ts";
import * as nonInviteClient from "#signaling/edge/transaction/non-invite-client.machine.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import { challengeOf } from "./challenge.ts";
import { writeRequest } from "./compose.ts";
import type { Draft } from "./draft.ts";
import { learnDialog } from "./early-dialogs.ts";
import { strikeFollower } from "./followers.ts";
import { branchOf, legIdOf, type BranchAddress } from "./ids.ts";
import type { ClientTxn, InviteClientTxn, LegRecord, NonInviteClientTxn } from "./record.ts";
import { ackFailure, cancelNow, resendAck } from "./send-request.ts";
import { learnPlace, learnSession } from "./session.ts";
import { refreshAnswered, refreshed, tryLonger } from "./session-refresh.ts";
import { tryNext } from "./failover.ts";

/** What a response makes of the transaction that its branch names; returns what call control has to be told, if anything. */
export function receiveResponse(
  draft: Draft,
  { number, seq }: BranchAddress,
  response: SipMessage,
): SipEvent | undefined {
  const leg = draft.leg(number);
  if (!leg) return undefined;
  const txn = leg.clients.find((client) => client.seq === seq);
  // The answer to a CANCEL carries the INVITE's branch and says nothing: the INVITE's own response counts (§9.1).
  if (response.cseq.method !== txn?.method) return undefined;
  return txn.kind === "invite-client"
    ? ofInvite(draft, number, leg, txn, response)
    : ofNonInvite(draft, number, txn, response);
}

function ofInvite(
  draft: Draft,
  number: number,
  leg: LegRecord,
  txn: InviteClientTxn,
  response: SipMessage,
): SipEvent | undefined {
  const { status } = response;
  const step = inviteClient.step(txn.state, { type: "response", status, nowMs: draft.context.nowMs });
  if (!step) return undefined;
  if (isFork(txn, response)) {
    dropFork(draft, leg, response);
    return;
  }
  const changed = step.state !== txn.state;
  let next: InviteClientTxn = { ...txn, state: step.state };
  if (changed && step.state.name === "accepted") next = { ...next, toTag: response.to.tag ?? "" };
  const reliable = reliableOf(response);
  if (reliable) {
    // RFC 3262 §4: in order and once; what is not the next one comes again, or has been told.
    const last = txn.rseqs?.[reliable.tag];
    if (last !== undefined && reliable.rseq !== last + 1) return undefined;
    next = { ...next, rseqs: { ...txn.rseqs, [reliable.tag]: reliable.rseq } };
  }
  if (changed || reliable) draft.putClient(number, next);
  let told: SipEvent | undefined;
  for (const effect of step.effects)
    switch (effect.do) {
      case "tell":
        told = heard(draft, number, txn, response, reliable && `${reliable.rseq} ${txn.seq} INVITE`);
        break;
      case "ack":
        ackFailure(draft, number, next, response);
        break;
      case "cancel":
        cancelNow(draft, txn);
        break;
      case "resendAck":
        resendAck(draft, txn);
        break;
      case "report":
        break;
    }
  return told;
}

/** What a response to our INVITE makes of the dialog and its session. */
function heard(
  draft: Draft,
  number: number,
  txn: InviteClientTxn,
  response: SipMessage,
  rack: string | undefined,
): SipEvent | undefined {
  const { status } = response;
  updateDialog(draft, number, response);
  if (status === 503 && tryNext(draft, number, txn)) return undefined;
  if (status === 422 && tryLonger(draft, number, txn, response)) return undefined;
  if (status >= 200) learnSession(draft, number, txn, response);
  const moved = status < 300 && learnPlace(draft, number, response);
  if (txn.refresh !== true) return tell(draft, number, txn, response, rack);
  const after = refreshAnswered(draft, number, txn, response, moved);
  return tellOwn(draft, number, txn, response) ?? after;
}

function ofNonInvite(
  draft: Draft,
  number: number,
  txn: NonInviteClientTxn,
  response: SipMessage,
): SipEvent | undefined {
  const step = nonInviteClient.step(txn.state, {
    type: "response",
    status: response.status,
    nowMs: draft.context.nowMs,
  });
  if (!step) return undefined;
  // The answered request is needed no more.
  draft.putClient(number, { ...txn, state: step.state, ...(response.status >= 200 ? { request: "" } : {}) });
  const current = draft.leg(number);
  if (current?.dialog && response.status >= 200 && response.status < 300) {
    if (txn.method === "UPDATE")
      draft.putLeg(number, { ...current, dialog: refreshTarget(current.dialog, response) });
    else if (txn.method === "SUBSCRIBE" || txn.method === "REFER")
      draft.putLeg(number, { ...current, dialog: dialogOfResponse(current.dialog, response) });
  }
  if (response.status === 503 && tryNext(draft, number, txn)) return undefined;
  if (txn.refresh === true) {
    if (response.status < 300) learnSession(draft, number, txn, response);
    const after = refreshed(draft, number, txn, response.status, response);
    return tellOwn(draft, number, txn, response) ?? after;
  }
  if (response.status >= 200) learnSession(draft, number, txn, response);
  if (response.status < 300) learnPlace(draft, number, response);
  if (txn.method === "BYE" && response.status >= 200) strikeFollower(draft, number);
  if (current?.dialog && txn.method === "NOTIFY")
    draft.putLeg(number, { ...current, dialog: withoutSubscriber(current.dialog, response.status) });
  return tell(draft, number, txn, response);
}

/** Of the edge's own requests call control is told those challenges that it may answer, and nothing else. */
function tellOwn(draft: Draft, number: number, txn: ClientTxn, response: SipMessage): SipEvent | undefined {
  if (response.status !== 401 && response.status !== 407) return undefined;
  const event = tell(draft, number, txn, response);
  return event?.type === "response" && event.challenged
    ? { ...event, challenged: { ...event.challenged, own: true } }
    : undefined;
}

function tell(
  draft: Draft,
  number: number,
  txn: ClientTxn,
  response: SipMessage,
  rack?: string,
): SipEvent | undefined {
  const { status } = response;
  if (status === 100) return undefined;
  if (status >= 200) draft.ended.push({ kind: txn.kind, outcome: `${Math.floor(status / 100)}xx` });
  const challenged = challengeOf(draft, number, txn, status);
  return {
    type: "response",
    leg: legIdOf(draft.call, number),
    txn: txn.as ?? txn.id,
    method: txn.method,
    status,
    message: response,
    local: false,
    ...(rack === undefined ? {} : { rack }),
    ...(challenged && { challenged }),
  };
}

/** A provisional response that its sender repeats until a PRACK (RFC 3262 §4); 100 never is. */
function reliableOf(response: SipMessage): { readonly rseq: number; readonly tag: string } | undefined {
  const { status } = response;
  if (status <= 100 || status >= 200) return undefined;
  const rseq = response.header("rseq");
  const { tag } = response.to;
  if (rseq === undefined || tag === undefined || !/^\d{1,10}$/.test(rseq)) return undefined;
  const required = response.headers("require").some((option) => option.toLowerCase() === "100rel");
  return required ? { rseq: Number(rseq), tag } : undefined;
}

function updateDialog(draft: Draft, number: number, response: SipMessage): void {
  const leg = draft.leg(number);
  if (!leg?.dialog || response.status === 100) return;
  if (response.status < 300) {
    draft.putLeg(number, learnDialog(leg, leg.dialog, response));
  } else if (leg.dialog.state === "early") {
    // Nothing came of it. A further attempt (credentials, another target) starts without a remote tag (§8.1.3.5).
    const { remoteTag: _tag, target: _target, ...dialog } = leg.dialog;
    const { forks: _forks, ...rest } = leg;
    draft.putLeg(number, { ...rest, dialog: { ...dialog, routes: [] } });
  }
}

const isFork = (txn: InviteClientTxn, response: SipMessage): boolean =>
  txn.state.name === "accepted" &&
  response.status >= 200 &&
  response.status < 300 &&
  txn.toTag !== (response.to.tag ?? "");

/** §13.2.2.4: a second 2xx made a dialog that nobody wants: it is acknowledged and ended at once. */
function dropFork(draft: Draft, leg: LegRecord, response: SipMessage): void {
  if (!leg.dialog) return;
  const { remoteTag: _tag, target: _target, ...base } = leg.dialog;
  const dialog: DialogRecord = dialogOfResponse({ ...base, state: "early" }, response);
  const { uri, routes, hop } = routeOf(dialog);
  const next = nextHop(hop, dialog.routes.length === 0 ? dialog.flow : undefined);
  if (!next || !("flow" in next)) return;
  const plan = { uri, routes, flow: next.flow, ...identityOf(dialog, leg.leg), callId: dialog.callId };
  const { seq } = response.cseq;
  for (const [method, at] of [
    ["ACK", seq],
    ["BYE", seq + 1],
  ] as const) {
    const branch = `${branchOf(leg.leg, at, true)}${dialog.remoteTag ?? ""}`;
    const text = writeRequest(draft.context, { ...plan, method, branch, seq: at });
    draft.send({ flow: next.flow, text, method, status: 0 });
  }
  draft.ended.push({ kind: "invite-client", outcome: "fork" });
}
