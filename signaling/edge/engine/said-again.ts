import { isOf } from "#signaling/edge/dialog/dialog.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import * as inviteServer from "#signaling/edge/transaction/invite-server.machine.ts";
import * as nonInviteServer from "#signaling/edge/transaction/non-invite-server.machine.ts";
import { responseFlow } from "#signaling/edge/transport/response-route.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import { dialogWith } from "./early-dialogs.ts";
import { backOn, isSame } from "./follow.ts";
import { keyOf } from "./origin.ts";
import type { InviteServerTxn, LegRecord, ServerTxn } from "./record.ts";
import { essentialsOf, statusOf, storedRequest, writeResponse } from "./respond.ts";

/**
 * The transaction that a request is another try of: a client that got no answer from one server, or lost its connection to
 * it, sends the same request with another branch to the next (RFC 3263 §4.3). It is told from a request that proxies brought
 * by two ways (RFC 3261 §8.2.2.2) by its single Via: whoever made it sent it here, and to nobody else meanwhile.
 */
export function earlierTry(
  leg: LegRecord | undefined,
  request: SipMessage,
  source: Flow,
): ServerTxn | undefined {
  if (!leg || request.headers("via").length !== 1) return undefined;
  const { method, cseq } = request;
  const txn = leg.servers.find((one) => one.method === method && one.seq === cseq.seq);
  // Of a failure that was acknowledged nothing is left to say again.
  if (!txn || txn.key === keyOf(request) || (txn.request ?? txn.response) === undefined) return undefined;
  const dialog = dialogWith(leg, request.from.tag);
  if (dialog && !isOf(dialog, request)) return undefined;
  const flow = responseFlow(request, source);
  // Without the branch of the first one nothing proves whose it is but where it comes from.
  const isSameHost = txn.flow.host === flow.host && isBack(leg, txn.flow, flow);
  return isSameHost || isSame(txn.flow, flow) ? txn : undefined;
}

/** A request came again, be it the very same or another try: its answer, so far as there is one, goes where it came from now. */
export function saidAgain(
  draft: Draft,
  number: number,
  known: ServerTxn,
  request: SipMessage,
  source: Flow,
): void {
  const leg = draft.leg(number);
  const flow = responseFlow(request, source);
  const isMoved = leg !== undefined && isBack(leg, known.flow, flow);
  const isAnew = known.key !== keyOf(request);
  if (!leg || (!isMoved && !isAnew)) {
    retransmitted(draft, known);
    return;
  }
  const txn: ServerTxn = { ...(isAnew ? withWayOf(known, request) : known), flow };
  draft.putServer(number, txn);
  if (isMoved) backOn(draft, number, draft.leg(number) ?? leg, flow);
  retransmitted(draft, txn);
}

/** Repeats what a transaction last said. */
export function retransmitted(draft: Draft, txn: ServerTxn): void {
  const step =
    txn.kind === "invite-server"
      ? inviteServer.step(txn.state, { type: "invite" })
      : nonInviteServer.step(txn.state, { type: "request" });
  if (!step || txn.state.name === "terminated") return;
  const { response: text, flow, method, id } = txn;
  if (text !== undefined)
    draft.send({ flow, text, method, status: statusOf(text), of: id, retransmission: true });
  else if (txn.kind === "invite-server" && txn.request !== undefined) sendTrying(draft, txn);
}

export function sendTrying(draft: Draft, txn: InviteServerTxn, message?: SipMessage): void {
  const request = message ?? storedRequest(txn);
  const text = request && writeResponse(draft, "", txn.flow, request, { status: 100 });
  if (text !== undefined)
    draft.sendFirst({ flow: txn.flow, text, method: "INVITE", status: 100, of: txn.id });
}

/** The peer of this leg lost the connection that its request came by, and speaks over another one. */
const isBack = ({ registration }: LegRecord, lost: Flow, flow: Flow): boolean =>
  lost.connection !== undefined &&
  flow.connection !== undefined &&
  !isSame(lost, flow) &&
  (registration !== undefined || lost.host === flow.host);

/** The transaction under the branch of its latest try; what was said to the first is said to that one. */
function withWayOf(txn: ServerTxn, request: SipMessage): ServerTxn {
  const [via = ""] = request.headers("via");
  return {
    ...txn,
    key: keyOf(request),
    ...(txn.request !== undefined && { request: essentialsOf(request) }),
    ...(txn.response !== undefined && { response: txn.response.replace(/^Via: .*$/m, () => `Via: ${via}`) }),
  };
}
