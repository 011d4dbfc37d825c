import { nextHop } from "#signaling/edge/dialog/next-hop.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import * as inviteServer from "#signaling/edge/transaction/invite-server.machine.ts";
import { responseFlow } from "#signaling/edge/transport/response-route.ts";
import { viaOf } from "#signaling/edge/engine/compose.ts";
import type { Draft } from "#signaling/edge/engine/draft.ts";
import { branchOf, legIdOf, serverTxnId } from "#signaling/edge/engine/ids.ts";
import { keyOf } from "#signaling/edge/engine/origin.ts";
import { refuse } from "#signaling/edge/engine/receive-request.ts";
import { retransmitted } from "#signaling/edge/engine/said-again.ts";
import type { ServerTxn } from "#signaling/edge/engine/record.ts";
import { prune } from "#signaling/edge/engine/schedule.ts";
import { atHop } from "#signaling/edge/engine/send-request.ts";
import type { Flow, SipEvent } from "#signaling/sip-port/sip-port.ts";
import { cancelBranches, launch, proxyOf, putContext, putProxy } from "./branches.ts";
import { foreignRoutes, forwardedRequest } from "./forward.codec.ts";
import { following, type ProxyContext, type ProxyPlan, type ProxyRecord } from "./proxy-record.ts";

/** Requests of one dialog that are on their way through at once; more are refused with 503. */
const MAX_CONTEXTS = 16;
const IN_DIALOG: ProxyPlan = { recordRoute: false, followRedirects: false, parallel: false, headers: [] };

interface Known {
  readonly number: number;
  readonly txn: ServerTxn;
}

/** A request of a call that is proxied: one that is known, or one of its dialog that names us in Route (RFC 3261 §16.4). */
export function receiveProxied(
  draft: Draft,
  number: number,
  request: SipMessage,
  source: Flow,
): SipEvent | undefined {
  const proxy = proxyOf(draft);
  const known = find(draft, keyOf(request));
  if (request.method === "ACK") {
    if (known) absorbAck(draft, known);
    else if (proxy && belongs(proxy, request)) forwardAck(draft, proxy, request);
    return undefined;
  }
  if (request.method === "CANCEL") {
    refuse(draft, number, request, source, known ? 200 : 481);
    if (known?.txn.state.name !== "proceeding") return undefined;
    cancelBranches(draft, known.number);
    return { type: "cancel", leg: legIdOf(draft.call, known.number), txn: known.txn.id };
  }
  if (known) {
    if (known.txn.method === request.method) retransmitted(draft, known.txn);
    return undefined;
  }
  // The request that began the call, once more, and its transaction is over.
  if (request.to.tag === undefined) return undefined;
  if (!proxy || !belongs(proxy, request)) refuse(draft, number, request, source, 481);
  else if (request.maxForwards === 0) refuse(draft, number, request, source, 483);
  else forward(draft, request, source);
  return undefined;
}

function find(draft: Draft, key: string): Known | undefined {
  for (const [number, leg] of Object.entries(draft.record.legs)) {
    const txn = leg.servers.find((server) => server.key === key);
    if (txn) return { number: Number(number), txn };
  }
  return undefined;
}

/** A Route that names the record is no proof: the Call-ID and one of the tags must be those of the call. */
const belongs = ({ callId, callerTag }: ProxyRecord, request: SipMessage): boolean =>
  request.callId === callId && (request.from.tag === callerTag || request.to.tag === callerTag);

/** The ACK of a failure is ours; that of a 2xx passes through, but a 2xx leaves no response to repeat. */
function absorbAck(draft: Draft, { number, txn }: Known): void {
  if (txn.kind !== "invite-server") return;
  const step = inviteServer.step(txn.state, { type: "ack", nowMs: draft.context.nowMs });
  if (!step) return;
  const { response: _sent, ...rest } = txn;
  draft.putServer(number, { ...rest, state: step.state });
}

/** The ACK of a 2xx has no transaction: it is forwarded whenever it comes (§16.11, §17.1.1.3). */
function forwardAck(draft: Draft, proxy: ProxyRecord, request: SipMessage): void {
  if (request.maxForwards === 0) return;
  const routes = foreignRoutes(request, draft.call);
  const first = routes[0] === undefined ? undefined : parseAddress(routes[0])?.uriText;
  const write = (flow: Flow): void => {
    const branch = branchOf(legIdOf(draft.call, 0), request.cseq.seq, true);
    const via = viaOf(draft.context, flow, branch);
    const text = forwardedRequest(request, { uri: request.uri, via, routes, recordRoutes: [], headers: [] });
    draft.send({ flow, text, method: "ACK", status: 0 });
  };
  atHop(
    draft,
    nextHop(first ?? request.uri, first === undefined ? otherSide(proxy, request) : undefined),
    write,
  );
}

/** A new request of the dialog, with transactions of its own on both sides. */
function forward(draft: Draft, request: SipMessage, source: Flow): void {
  forgetOld(draft);
  const before = proxyOf(draft);
  if (!before) return;
  const number = before.next;
  if (Object.keys(before.contexts).length >= MAX_CONTEXTS) {
    refuse(draft, number, request, source, 503, [["Retry-After", "2"]]);
    return;
  }
  const fromCaller = request.from.tag === before.callerTag;
  const proxy: ProxyRecord = {
    ...before,
    next: following(number),
    ...(fromCaller ? { caller: source } : { callee: source }),
  };
  putProxy(draft, proxy);
  const { seq, method } = request.cseq;
  const id = serverTxnId(legIdOf(draft.call, number), seq);
  const flow = responseFlow(request, source);
  const base = { id, method, seq, key: keyOf(request), flow };
  draft.request = { number, txn: id, message: request };
  draft.putServer(
    number,
    method === "INVITE"
      ? { ...base, kind: "invite-server", state: { name: "proceeding" } }
      : { ...base, kind: "server", state: { name: "trying" } },
  );
  const context: ProxyContext = {
    txn: id,
    method,
    upstream: flow,
    request: request.text,
    plan: IN_DIALOG,
    waiting: [request.uri],
    branches: {},
    answered: false,
  };
  putContext(draft, number, context);
  launch(draft, number, otherSide(proxy, request));
}

/** Drops requests that are through and of which nothing is expected any more. */
function forgetOld(draft: Draft): void {
  const proxy = proxyOf(draft);
  if (!proxy) return;
  const { nowMs } = draft.context;
  const isBusy = (leg: string): boolean => {
    const record = draft.record.legs[leg];
    const live = record && prune(record, nowMs);
    return live !== undefined && live.servers.length + live.clients.length > 0;
  };
  const gone = new Set<string>();
  for (const [number, { branches, answered }] of Object.entries(proxy.contexts)) {
    const involved = [number, ...Object.keys(branches)];
    if (answered && !involved.some(isBusy)) for (const leg of involved) gone.add(leg);
  }
  if (gone.size === 0) return;
  const left = <Value>(from: Readonly<Record<string, Value>>, kept = ""): Record<string, Value> =>
    Object.fromEntries(Object.entries(from).filter(([name]) => name === kept || !gone.has(name)));
  // Leg 0 stays: it says that the request which began the call has been here.
  draft.record = { ...draft.record, legs: left(draft.record.legs, "0") };
  putProxy(draft, { ...proxy, contexts: left(proxy.contexts) });
}

const otherSide = (proxy: ProxyRecord, request: SipMessage): Flow | undefined =>
  request.from.tag === proxy.callerTag ? proxy.callee : proxy.caller;
