import type { SipMessage } from "#signaling/edge/message/message.ts";
import { headerKey } from "#signaling/edge/message/header-name.ts";
import type { Flow, Headers } from "#signaling/sip-port/sip-port.ts";
import { parseOwn, writeRequest } from "./compose.ts";
import type { Draft, StepContext } from "./draft.ts";
import { branchOf, clientTxnId } from "./ids.ts";
import type { ClientTxn } from "./record.ts";

/** RFC 3261 §18.1.1: a longer request does not fit a packet of a path whose limit is not known. */
const MAX_UDP_BYTES = 1_300;

/**
 * Sends a request to the next of its targets, when it has one: the one before did not answer, could not be reached, or said
 * 503 (RFC 3263 §4.3).
 *
 * @returns false when there is no other target, or nobody wants the request any more
 */
export function tryNext(draft: Draft, number: number, txn: ClientTxn): boolean {
  const [flow, ...others] = txn.others ?? [];
  return flow !== undefined && isWanted(draft, number, txn) && sendAnew(draft, number, txn, flow, others);
}

/** True while an answer to this request would still be of use. */
export function isWanted(draft: Draft, number: number, txn: ClientTxn): boolean {
  const { dialog } = draft.leg(number) ?? {};
  return dialog !== undefined && dialog.state !== "ended" && !isCancelled(txn);
}

/** True for an INVITE that is taken back, or will be as soon as it rings. */
export const isCancelled = ({ state }: ClientTxn): boolean =>
  state.name === "cancelling" || (state.name === "calling" && "cancel" in state && state.cancel);

/**
 * Sends a request that failed once more: a new one, with a CSeq and so a branch of its own. Call control knows it by its
 * first id.
 *
 * @param terms headers that take the place of those of the same name
 * @param traits what the new one has besides
 */
export function sendAnew(
  draft: Draft,
  number: number,
  txn: ClientTxn,
  flow: Flow,
  others: readonly Flow[],
  terms: Headers = [],
  traits: Pick<ClientTxn, "patienceMs" | "patientUntilMs" | "repeated"> = {},
): boolean {
  const request = parseOwn(txn.request);
  const leg = draft.leg(number);
  if (!request || !leg?.dialog) return false;
  const seq = leg.dialog.localSeq + 1;
  const text = rewrite(draft.context, request, flow, branchOf(leg.leg, seq), seq, terms);
  const id = clientTxnId(leg.leg, seq);
  const first = {
    as: txn.as ?? txn.id,
    ...(others.length > 0 && { others }),
    ...(txn.refresh && { refresh: txn.refresh }),
    ...(txn.repeated !== undefined && { repeated: txn.repeated }),
    ...traits,
  };
  const base = { id, method: txn.method, seq, flow, request: text, ...first };
  const sinceMs = draft.context.nowMs;
  draft.putLeg(number, { ...leg, dialog: { ...leg.dialog, localSeq: seq, flow } });
  draft.putClient(
    number,
    txn.kind === "invite-client"
      ? { ...base, kind: "invite-client", state: { name: "calling", sinceMs, cancel: false } }
      : { ...base, kind: "client", state: { name: "trying", sinceMs } },
  );
  draft.send({ flow, text, method: txn.method, status: 0, txn: id });
  return true;
}

/** How long the peer of a request that is sent now may say nothing at all. */
export const patience = (
  { context }: Pick<Draft, "context">,
  patienceMs: number,
): Pick<ClientTxn, "patienceMs" | "patientUntilMs"> => ({
  patienceMs,
  patientUntilMs: context.nowMs + patienceMs,
});

/** Targets of a request that may go by another transport than UDP: a long one by TCP, and by UDP where that is refused (§18.1.1). */
export function targetsOf(flow: Flow, others: readonly Flow[], bytes: number): readonly Flow[] {
  const all = [flow, ...others];
  if (bytes <= MAX_UDP_BYTES) return all;
  return all.flatMap((one): Flow[] =>
    one.transport === "udp" ? [{ ...one, transport: "tcp" }, one] : [one],
  );
}

function rewrite(
  context: StepContext,
  request: SipMessage,
  flow: Flow,
  branch: string,
  seq: number,
  terms: Headers,
): string {
  const replaced = new Set(terms.map(([name]) => headerKey(name)));
  return writeRequest(context, {
    method: request.method,
    uri: request.uri,
    branch,
    flow,
    from: request.header("from") ?? "",
    to: request.header("to") ?? "",
    callId: request.callId,
    seq,
    routes: [],
    // The headers that are the edge's are written anew.
    headers: [...request.headerLines().filter(([name]) => !replaced.has(headerKey(name))), ...terms],
    body: request.body,
    contentType: request.header("content-type"),
    contactUser: request.contacts[0]?.uri.user,
  });
}
