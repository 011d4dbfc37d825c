import type { SipMessage } from "#signaling/edge/message/message.ts";
import * as inviteClient from "#signaling/edge/transaction/invite-client.machine.ts";
import * as nonInviteClient from "#signaling/edge/transaction/non-invite-client.machine.ts";
import type { Draft } from "#signaling/edge/engine/draft.ts";
import { legIdOf, type BranchAddress } from "#signaling/edge/engine/ids.ts";
import type { ClientTxn } from "#signaling/edge/engine/record.ts";
import { ackFailure, cancelNow } from "#signaling/edge/engine/send-request.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import { better, challengesIn, finalFailure } from "./best-response.ts";
import { armBranch, cancelBranch, cancelBranches, launch, proxyOf, putBranch, putContext, putProxy, readRequest, ringsUntil } from "./branches.ts"; // prettier-ignore
import { forwardedResponse, madeResponse } from "./forward.codec.ts";
import { passBack } from "./pass-back.ts";
import { contextOf } from "./proxy-record.ts";

/** Targets of one request, redirections included. */
export const MAX_TARGETS = 16;

/** What a target's response makes of the request that was forwarded to it (RFC 3261 §16.7). */
export function proxyResponse(
  draft: Draft,
  { number: leg, seq }: BranchAddress,
  response: SipMessage,
): SipEvent | undefined {
  const txn = draft.leg(leg)?.clients.find((client) => client.seq === seq);
  // The answer to our own CANCEL says nothing.
  if (response.cseq.method !== txn?.method) return undefined;
  const { status } = response;
  const event = { type: "response", status, nowMs: draft.context.nowMs } as const;
  if (txn.kind === "client") {
    const step = nonInviteClient.step(txn.state, event);
    if (!step) return undefined;
    draft.putClient(leg, { ...txn, state: step.state, ...(status >= 200 ? { request: "" } : {}) });
    return told(draft, leg, txn, response);
  }
  const step = inviteClient.step(txn.state, event);
  if (!step) return undefined;
  const next = { ...txn, state: step.state };
  if (step.state !== txn.state) draft.putClient(leg, next);
  let result: SipEvent | undefined;
  for (const effect of step.effects)
    switch (effect.do) {
      case "tell":
        result = told(draft, leg, txn, response);
        break;
      case "ack":
        ackFailure(draft, leg, next, response);
        break;
      case "cancel":
        cancelNow(draft, txn);
        break;
      case "resendAck":
        // A 2xx that comes again, or of another fork, goes back again: its ACK is the caller's (§16.7 step 5).
        repeatSuccess(draft, leg, response);
        break;
      case "report":
        break;
    }
  return result;
}

/** A branch has failed without a response: 408 when its time is up, 503 when it cannot be reached (§16.8, §16.9). */
export function branchLost(draft: Draft, leg: number, status: 408 | 503): SipEvent | undefined {
  const proxy = proxyOf(draft);
  const found = proxy && contextOf(proxy, leg);
  const request = found && readRequest(found.context.request);
  if (!found || !request || found.context.branches[leg]?.done === true) return undefined;
  armBranch(draft, leg, undefined);
  return failed(draft, leg, madeResponse(request, status, legIdOf(draft.call, found.number)));
}

/** A branch's timer: no provisional response, no final one, or timer C. */
export function branchDue(draft: Draft, leg: number): SipEvent | undefined {
  const reached = (draft.leg(leg)?.clients.length ?? 0) > 0;
  cancelBranch(draft, leg);
  return branchLost(draft, leg, reached ? 408 : 503);
}

function told(draft: Draft, leg: number, txn: ClientTxn, response: SipMessage): SipEvent | undefined {
  const proxy = proxyOf(draft);
  const found = proxy && contextOf(proxy, leg);
  const branch = found?.context.branches[leg];
  if (!found || !branch) return undefined;
  const { number, context } = found;
  const { status } = response;
  if (status < 200) {
    if (branch.done) return undefined;
    if (context.method === "INVITE") armBranch(draft, leg, ringsUntil(draft, branch));
    if (status === 100 || context.answered) return undefined;
    const text = forwardedResponse(response);
    if (text !== undefined) passBack(draft, number, text);
    return tell(draft, number, leg, response);
  }
  draft.ended.push({ kind: txn.kind, outcome: `${Math.floor(status / 100)}xx` });
  armBranch(draft, leg, undefined);
  if (status < 300) {
    putBranch(draft, number, leg, { ...branch, done: true });
    const text = forwardedResponse(response);
    if (text !== undefined) passBack(draft, number, text);
    if (context.method === "INVITE" && number === 0) established(draft, txn);
    cancelBranches(draft, number);
    return tell(draft, number, leg, response);
  }
  if (branch.done) return tell(draft, number, leg, response);
  if (status < 400 && context.plan.followRedirects && !context.answered && redirect(draft, number, response))
    putBranch(draft, number, leg, { ...branch, done: true });
  else {
    const text = forwardedResponse(response);
    if (text === undefined) return undefined;
    // §16.7 step 5: a 6xx ends the search.
    if (status >= 600) cancelBranches(draft, number);
    return failed(draft, leg, text, response);
  }
  advance(draft, number);
  return tell(draft, number, leg, response);
}

/** A branch has come to nothing; `text` is its failure as it would be passed back. */
function failed(draft: Draft, leg: number, text: string, response?: SipMessage): SipEvent | undefined {
  const proxy = proxyOf(draft);
  const found = proxy && contextOf(proxy, leg);
  const branch = found?.context.branches[leg];
  if (!found || !branch) return undefined;
  const { number, context } = found;
  const challenges = [...(context.challenges ?? []), ...challengesIn(text)];
  putContext(draft, number, {
    ...context,
    best: better(context.best, text),
    ...(challenges.length === 0 ? {} : { challenges }),
    branches: { ...context.branches, [leg]: { ...branch, done: true } },
  });
  advance(draft, number);
  return tell(draft, number, leg, response);
}

/** Tries the next target, or passes back the best failure when none is left. */
function advance(draft: Draft, number: number): void {
  const context = proxyOf(draft)?.contexts[number];
  if (!context || context.answered) return;
  const open = Object.values(context.branches).some(({ done }) => !done);
  if (context.waiting.length > 0 && (context.plan.parallel || !open)) launch(draft, number);
  else if (!open && context.best !== undefined)
    passBack(draft, number, finalFailure(context.best, context.challenges ?? []));
}

/** Adds the contacts of a 3xx to the targets, in their order of preference; false when there is nobody new (§16.5). */
function redirect(draft: Draft, number: number, response: SipMessage): boolean {
  const context = proxyOf(draft)?.contexts[number];
  if (!context) return false;
  const known = new Set([...context.waiting, ...Object.values(context.branches).map(({ uri }) => uri)]);
  const contacts = [...response.contacts]
    .toSorted((a, b) => Number(b.params.get("q") ?? 1) - Number(a.params.get("q") ?? 1))
    .map(({ uriText }) => uriText)
    .filter((uri) => !known.has(uri));
  const added = [...new Set(contacts)].slice(0, Math.max(0, MAX_TARGETS - known.size));
  if (added.length > 0) putContext(draft, number, { ...context, waiting: [...added, ...context.waiting] });
  return added.length > 0;
}

function established(draft: Draft, txn: ClientTxn): void {
  const proxy = proxyOf(draft);
  if (!proxy) return;
  putProxy(draft, { ...proxy, callee: txn.flow });
}

function repeatSuccess(draft: Draft, leg: number, response: SipMessage): void {
  const proxy = proxyOf(draft);
  const found = proxy && contextOf(proxy, leg);
  const text = forwardedResponse(response);
  if (!found || text === undefined) return;
  const { upstream: flow, method } = found.context;
  draft.send({ flow, text, method, status: response.status, retransmission: true });
}

function tell(
  draft: Draft,
  number: number,
  branch: number,
  message: SipMessage | undefined,
): SipEvent | undefined {
  const context = proxyOf(draft)?.contexts[number];
  if (!context) return undefined;
  const { txn, method, answered } = context;
  const leg = legIdOf(draft.call, number);
  const peer = draft.leg(branch)?.clients[0]?.flow;
  const about = { ...(message ? { message } : {}), ...(peer ? { peer } : {}) };
  return { type: "proxied", leg, txn, method, done: answered, ...about };
}
