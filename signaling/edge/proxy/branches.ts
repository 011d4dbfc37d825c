import { nextHop } from "#signaling/edge/dialog/next-hop.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import * as inviteClient from "#signaling/edge/transaction/invite-client.machine.ts";
import { viaOf } from "#signaling/edge/engine/compose.ts";
import type { Draft } from "#signaling/edge/engine/draft.ts";
import { branchOf, clientTxnId, legIdOf } from "#signaling/edge/engine/ids.ts";
import type { ClientTxn } from "#signaling/edge/engine/record.ts";
import { atHop, cancelNow } from "#signaling/edge/engine/send-request.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { foreignRoutes, forwardedRequest, recordRouteOf } from "./forward.codec.ts";
import { following, type ProxyBranch, type ProxyContext, type ProxyRecord } from "./proxy-record.ts";

/** Name of a branch's timer in the record; the rest is its leg number. */
export const PROXY_TIMER = "proxy:";
/** How long a target may ring: timer C is more than three minutes (RFC 3261 §16.6 step 11). */
const TIMER_C = 185_000;

export const proxyOf = (draft: Draft): ProxyRecord | undefined => draft.record.proxy;

export function putProxy(draft: Draft, proxy: ProxyRecord): void {
  draft.record = { ...draft.record, proxy };
}

export function putContext(draft: Draft, number: number, context: ProxyContext): void {
  const proxy = proxyOf(draft);
  if (proxy) putProxy(draft, { ...proxy, contexts: { ...proxy.contexts, [number]: context } });
}

export function putBranch(draft: Draft, number: number, leg: number, branch: ProxyBranch): void {
  const context = proxyOf(draft)?.contexts[number];
  if (context) putContext(draft, number, { ...context, branches: { ...context.branches, [leg]: branch } });
}

/** Sends the request to the next target, or to all that wait. */
export function launch(draft: Draft, number: number, peer?: Flow): void {
  const context = proxyOf(draft)?.contexts[number];
  const request = context && readRequest(context.request);
  if (!context || !request) return;
  const count = context.plan.parallel ? context.waiting.length : 1;
  putContext(draft, number, { ...context, waiting: context.waiting.slice(count) });
  for (const uri of context.waiting.slice(0, count)) dispatch(draft, number, uri, request, peer);
}

/** Ends what still rings: its final response, if any, comes by itself (§16.7 step 10, §16.10). */
export function cancelBranches(draft: Draft, number: number): void {
  const context = proxyOf(draft)?.contexts[number];
  if (!context) return;
  putContext(draft, number, { ...context, waiting: [] });
  for (const leg of Object.keys(context.branches)) cancelBranch(draft, Number(leg));
}

export function cancelBranch(draft: Draft, leg: number): void {
  armBranch(draft, leg, undefined);
  for (const txn of draft.leg(leg)?.clients ?? []) {
    if (txn.kind !== "invite-client") continue;
    const step = inviteClient.step(txn.state, { type: "cancel", nowMs: draft.context.nowMs });
    if (!step) continue;
    draft.putClient(leg, { ...txn, state: step.state });
    if (step.effects.some((effect) => effect.do === "cancel")) cancelNow(draft, txn);
  }
}

/** Sets when a branch is given up: undefined for not at all, since it has ended. */
export function armBranch(draft: Draft, leg: number, atMs: number | undefined): void {
  const { [`${PROXY_TIMER}${leg}`]: _old, ...others } = draft.record.timers;
  const timers = atMs === undefined ? others : { ...others, [`${PROXY_TIMER}${leg}`]: Math.ceil(atMs) };
  draft.record = { ...draft.record, timers };
}

/** When a branch that rings is given up. */
export const ringsUntil = (draft: Draft, { giveUpAtMs = Infinity }: ProxyBranch): number =>
  Math.min(giveUpAtMs, draft.context.nowMs + TIMER_C);

export function readRequest(text: string): SipMessage | undefined {
  const parsed = text === "" ? undefined : parseMessage(text);
  return parsed?.ok ? parsed.message : undefined;
}

function dispatch(draft: Draft, number: number, uri: string, request: SipMessage, peer?: Flow): void {
  const proxy = proxyOf(draft);
  const context = proxy?.contexts[number];
  if (!proxy || !context) return;
  const { call } = draft;
  const { nowMs } = draft.context;
  const { plan, upstream, method } = context;
  const leg = proxy.next;
  putProxy(draft, { ...proxy, next: following(leg) });
  const giveUp = plan.finalMs === undefined ? {} : { giveUpAtMs: nowMs + plan.finalMs };
  const branch: ProxyBranch = { uri, done: false, ...giveUp };
  putBranch(draft, number, leg, branch);
  const provisionalAt = plan.provisionalMs === undefined ? Infinity : nowMs + plan.provisionalMs;
  if (method === "INVITE") armBranch(draft, leg, Math.min(provisionalAt, ringsUntil(draft, branch)));
  const routes = foreignRoutes(request, call);
  const first = routes[0] === undefined ? undefined : parseAddress(routes[0])?.uriText;
  const { seq } = request.cseq;
  const write = (flow: Flow): void => {
    const text = forwardedRequest(request, {
      uri,
      via: viaOf(draft.context, flow, branchOf(legIdOf(call, leg), seq)),
      recordRoutes: plan.recordRoute ? recordRoutes(draft, flow, upstream) : [],
      routes,
      headers: plan.headers,
    });
    const id = clientTxnId(legIdOf(call, leg), seq);
    const base = { id, method, seq, flow, request: text };
    const txn: ClientTxn =
      method === "INVITE"
        ? { ...base, kind: "invite-client", state: { name: "calling", sinceMs: nowMs, cancel: false } }
        : { ...base, kind: "client", state: { name: "trying", sinceMs: nowMs } };
    draft.putClient(leg, txn);
    draft.send({ flow, text, method, status: 0, txn: id });
  };
  // A target that does not resolve is given up at once, by its timer.
  const fail = (): void => {
    armBranch(draft, leg, nowMs);
  };
  atHop(draft, nextHop(first ?? uri, first === undefined ? peer : undefined), write, fail);
}

/** One Record-Route for each side when they differ in transport (RFC 5658 §6.1); the target's side on top. */
function recordRoutes(draft: Draft, down: Flow, up: Flow): readonly string[] {
  const sides = down.transport === up.transport ? [down] : [down, up];
  return sides.map(({ transport }) =>
    recordRouteOf(draft.call, draft.context.advertised(transport), transport),
  );
}
