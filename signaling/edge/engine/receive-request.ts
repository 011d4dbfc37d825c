import {
  afterNotify,
  dialogOfNotify,
  dialogOfRequest,
  isOf,
  refreshTarget,
  refuseRequest,
} from "#signaling/edge/dialog/dialog.ts";
import { named } from "#signaling/edge/dialog/next-hop.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import * as inviteServer from "#signaling/edge/transaction/invite-server.machine.ts";
import { responseFlow } from "#signaling/edge/transport/response-route.ts";
import type { Flow, SipEvent } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import { dialogWith, withDialog } from "./early-dialogs.ts";
import { backOn } from "./follow.ts";
import { strikeFollower } from "./followers.ts";
import { legIdOf, serverTxnId } from "./ids.ts";
import type { LegRecord, ServerTxn } from "./record.ts";
import { isChallenged, keyOf } from "./origin.ts";
import { receivePrack, releaseAnswers } from "./receive-prack.ts";
import { reliabilityOf } from "./reliable-response.ts";
import { learnPlace } from "./session.ts";
import { answer, essentialsOf, finishAnswer, writeResponse } from "./respond.ts";
import { earlierTry, saidAgain, sendTrying } from "./said-again.ts";
import { isTooShort, termsOf } from "#signaling/edge/dialog/session-timer.ts";

/** A leg keeps at most this many transactions of its peer; beyond them 503, unless one is answered and may be forgotten. */
const MAX_SERVERS = 16;
/** Requests that begin a dialog when they succeed. */
const DIALOG_METHODS: ReadonlySet<string> = new Set(["INVITE", "SUBSCRIBE", "REFER"]);
/** Target refresh requests (RFC 3261 §12.2, RFC 3311 §5.1, RFC 6665 §4.4.1). */
const REFRESHING: ReadonlySet<string> = new Set(["INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY"]);

/** What an incoming request makes of its leg; returns what call control has to be told, if anything. */
export function receiveRequest(
  draft: Draft,
  number: number,
  request: SipMessage,
  source: Flow,
): SipEvent | undefined {
  if (request.method === "ACK") return receiveAck(draft, number, request);
  if (request.method === "CANCEL") return receiveCancel(draft, number, request, source);
  const leg = draft.leg(number);
  const key = keyOf(request);
  const known = leg?.servers.find((txn) => txn.key === key && txn.method === request.method);
  if (known) {
    saidAgain(draft, number, known, request, source);
    return;
  }
  const before = isChallenged(draft) ? undefined : earlierTry(leg, request, source);
  if (before) {
    saidAgain(draft, number, before, request, source);
    return;
  }
  if (refuseSession(draft, number, request, source)) return;
  if (request.to.tag === undefined)
    return leg && !isChallenged(draft) ? undefined : begin(draft, number, request, source);
  return withinDialog(draft, number, leg, request, source);
}

/** RFC 4028 §9: an interval that is too short for us is answered 422; true when it was. */
function refuseSession(draft: Draft, number: number, request: SipMessage, source: Flow): boolean {
  const { session } = draft.context;
  if (!session || (request.method !== "INVITE" && request.method !== "UPDATE")) return false;
  if (request.header("session-expires") === undefined) return false;
  if (!isTooShort(termsOf(request) ?? {}, session)) return false;
  refuse(draft, number, request, source, 422, [["Min-SE", String(session.minSeSeconds)]]);
  return true;
}

/** Refuses without a record: the same request refused again gets the same response. */
export function refuse(
  draft: Draft,
  number: number,
  request: SipMessage,
  source: Flow,
  status: number,
  headers: readonly (readonly [string, string])[] = [],
  tag = legIdOf(draft.call, number),
): undefined {
  const flow = responseFlow(request, source);
  const text = writeResponse(draft, tag, flow, request, { status, headers });
  draft.send({ flow, text, method: request.method, status });
}

/** Keeps what later responses need, and says 100 to an INVITE that has no answer yet. Runs when the step is decided. */
export function settleRequest(draft: Draft): void {
  const { request } = draft;
  if (request?.message.method === "PRACK") releaseAnswers(draft, request.number);
  const txn = request && draft.leg(request.number)?.servers.find(({ id }) => id === request.txn);
  if (!request || !txn || txn.request !== undefined || isFinal(txn)) return;
  draft.putServer(request.number, { ...txn, request: essentialsOf(request.message) });
  if (txn.kind === "invite-server" && txn.response === undefined) sendTrying(draft, txn, request.message);
}

const isFinal = (txn: ServerTxn): boolean =>
  txn.state.name === "completed" || txn.state.name === "accepted" || txn.state.name === "confirmed";

function newTxn(draft: Draft, number: number, request: SipMessage, source: Flow): ServerTxn {
  const { seq, method } = request.cseq;
  const id = serverTxnId(legIdOf(draft.call, number), seq);
  const base = { id, method, seq, key: keyOf(request), flow: responseFlow(request, source) };
  draft.request = { number, txn: id, message: request };
  const terms =
    draft.context.session && (method === "INVITE" || method === "UPDATE") ? termsOf(request) : undefined;
  const said = { ...base, ...(terms && { terms }) };
  if (method !== "INVITE") return { ...said, kind: "server", state: { name: "trying" } };
  const reliability = reliabilityOf(request);
  return {
    ...said,
    kind: "invite-server",
    state: { name: "proceeding" },
    ...(reliability && { reliability }),
  };
}

function begin(draft: Draft, number: number, request: SipMessage, source: Flow): SipEvent {
  const leg = draft.newLeg(number);
  const dialog = DIALOG_METHODS.has(request.method) ? { dialog: dialogOfRequest(request, source) } : {};
  const txn = newTxn(draft, number, request, source);
  draft.putLeg(number, { ...leg, ...dialog, servers: [txn] });
  if (txn.terms) learnPlace(draft, number, request, txn.terms);
  const repeated = source.transport === "udp" ? ({ repeated: true } as const) : {};
  return { type: "request", leg: leg.leg, txn: txn.id, dialog: false, message: request, source, ...repeated };
}

function withinDialog(
  draft: Draft,
  number: number,
  known: LegRecord | undefined,
  request: SipMessage,
  source: Flow,
): SipEvent | undefined {
  if (!known?.dialog) {
    refuse(draft, number, request, source, 481);
    return;
  }
  let leg: LegRecord = known;
  let before = dialogWith(known, request.from.tag) ?? known.dialog;
  if (awaitsNotify(known, request)) {
    before = dialogOfNotify(known.dialog, request, source);
    leg = { ...known, dialog: before };
  }
  if (request.method === "INVITE" && request.cseq.seq === leg.doneInvite) return undefined;
  if (
    request.method === "BYE" &&
    isOf(before, request) &&
    leg.clients.some(({ method }) => method === "BYE")
  ) {
    // It crossed ours (RFC 5407 §3.2.1); call control has heard the end.
    refuse(draft, number, request, source, 200);
    return;
  }
  const refusal = refuseRequest(before, request) ?? (request.method === "INVITE" ? glare(leg) : undefined);
  // §14.2: a second INVITE before the first is answered.
  const retryAfter = refusal === 500 ? ([["Retry-After", "1"]] as const) : [];
  if (refusal !== undefined) {
    refuse(draft, number, request, source, refusal, retryAfter);
    return;
  }
  const roomy = withRoom(leg);
  if (!roomy) {
    refuse(draft, number, request, source, 503, [["Retry-After", "2"]]);
    return;
  }
  leg = roomy;
  const unmatched = request.method === "PRACK" ? receivePrack(draft, number, leg, request) : undefined;
  if (unmatched !== undefined) {
    refuse(draft, number, request, source, unmatched);
    return;
  }
  if (request.method === "PRACK") leg = draft.leg(number) ?? leg;
  leg = backOn(draft, number, leg, source);
  const refreshed = REFRESHING.has(request.method) ? refreshTarget(before, request) : before;
  const dialog = {
    ...(request.method === "NOTIFY"
      ? afterNotify(refreshed, request.header("subscription-state"))
      : refreshed),
    remoteSeq: request.cseq.seq,
    // The peer is where its latest request came from: a new socket or a new translation of its address.
    flow: named(source, before.flow),
  };
  if (request.method === "BYE") {
    endDialog(draft, number, withDialog(leg, { ...dialog, state: "ended" }));
    strikeFollower(draft, number);
  } else draft.putLeg(number, withDialog(leg, dialog));
  learnPlace(draft, number, request);
  const txn = newTxn(draft, number, request, source);
  draft.putServer(number, txn);
  return { type: "request", leg: leg.leg, txn: txn.id, dialog: true, message: request, source };
}

/** The leg with room for one more transaction: of the answered ones the oldest gives way. */
function withRoom(leg: LegRecord): LegRecord | undefined {
  if (leg.servers.length < MAX_SERVERS) return leg;
  const oldest = leg.servers.find(({ kind, state }) => kind === "server" && state.name === "completed");
  return oldest && { ...leg, servers: leg.servers.filter((txn) => txn !== oldest) };
}

/** True when our SUBSCRIBE of this leg has no dialog yet and this NOTIFY brings it. */
const awaitsNotify = ({ dialog, clients }: LegRecord, { method, callId }: SipMessage): boolean =>
  method === "NOTIFY" &&
  dialog?.usage === "subscription" &&
  dialog.state === "early" &&
  dialog.remoteTag === undefined &&
  dialog.callId === callId &&
  clients.some((txn) => txn.method === "SUBSCRIBE");

/** §15.1.2: a BYE ends the dialog, and an INVITE that is still open in it gets 487. */
function endDialog(draft: Draft, number: number, leg: LegRecord): void {
  draft.putLeg(number, leg);
  for (const txn of leg.servers)
    if (txn.kind === "invite-server" && txn.state.name === "proceeding")
      answer(draft, number, txn, { status: 487 });
}

/** RFC 3261 §14.2: another INVITE of either side is under way. */
function glare(leg: LegRecord): 491 | 500 | undefined {
  if (leg.servers.some(({ kind, state }) => kind === "invite-server" && state.name === "proceeding"))
    return 500;
  const ours = leg.clients.some(
    ({ kind, state }) =>
      kind === "invite-client" && ["calling", "proceeding", "cancelling"].includes(state.name),
  );
  return ours ? 491 : undefined;
}

function receiveCancel(
  draft: Draft,
  number: number,
  request: SipMessage,
  source: Flow,
): SipEvent | undefined {
  const key = keyOf(request);
  const leg = draft.leg(number);
  const txn = leg?.servers.find((known) => known.key === key && known.kind === "invite-server");
  if (!leg || txn?.kind !== "invite-server") {
    refuse(draft, number, request, source, 481);
    return;
  }
  refuse(draft, number, request, source, 200);
  const step = inviteServer.step(txn.state, { type: "cancel", nowMs: draft.context.nowMs });
  if (!step) return undefined;
  finishAnswer(draft, number, { ...txn, state: step.state }, { status: 487 });
  return { type: "cancel", leg: leg.leg, txn: txn.id };
}

/** The ACK of a 2xx has a branch of its own: what it shares with the INVITE is the CSeq number (§13.2.2.4, §17.1.1.3). */
function receiveAck(draft: Draft, number: number, request: SipMessage): SipEvent | undefined {
  const leg = draft.leg(number);
  const txn = leg?.servers.find(({ kind, seq }) => kind === "invite-server" && seq === request.cseq.seq);
  // Call-ID as for any request of the dialog; a tag alone is not enough to stop a 200.
  if (!leg || txn?.kind !== "invite-server" || request.callId !== leg.dialog?.callId) return undefined;
  const step = inviteServer.step(txn.state, { type: "ack", nowMs: draft.context.nowMs });
  if (!step) return undefined;
  if (step.state.name !== "terminated") {
    const { response: _sent, ...rest } = txn;
    draft.putServer(number, { ...rest, state: step.state });
    return undefined;
  }
  draft.putLeg(number, {
    ...leg,
    servers: leg.servers.filter(({ id }) => id !== txn.id),
    doneInvite: txn.seq,
  });
  learnPlace(draft, number, request);
  return { type: "ack", leg: leg.leg, message: request };
}
