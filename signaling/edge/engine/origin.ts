import type { SipMessage } from "#signaling/edge/message/message.ts";
import { STATELESS_METHODS } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import { statusOf } from "./respond.ts";

/** Branch and sent-by (RFC 3261 §17.2.3). */
export function keyOf({ topVia: { branch, host, port } }: SipMessage): string {
  return `${branch ?? ""}|${host}:${port ?? ""}`;
}

/**
 * What a request outside a dialog has in common with its retransmissions, its CANCEL, the ACK of its failure, and with
 * itself when it came by another way (RFC 3261 §8.2.2.2): whoever gets any of them finds one record. The Request-URI is
 * part of it, for a proxy may fork one call to several of our users.
 */
export function originOf(request: SipMessage): string {
  if (STATELESS_METHODS.has(request.method)) return keyOf(request);
  return originText(request.callId, request.from.tag ?? "", request.cseq.seq, request.uri);
}

/** The same from its parts, for who has not parsed the request. */
export const originText = (callId: string, fromTag: string, seq: number, uri: string): string =>
  `${callId}|${fromTag}|${seq}|${uri}`;

/** True when the record is of this very request that came by another way: same origin, another branch. */
export function isMerged(draft: Draft, request: SipMessage): boolean {
  const { method } = request;
  const first = Object.values(draft.record.legs)
    .flatMap(({ servers }) => servers)
    .find((txn) => txn.method === method && txn.seq === request.cseq.seq);
  return first !== undefined && first.key !== keyOf(request) && !isChallenged(draft);
}

/** All that came of the call is a challenge: a client that did not count on with its credentials is let in all the same. */
export function isChallenged({ record, state }: Draft): boolean {
  const legs = Object.values(record.legs);
  const [txn, ...others] = legs.flatMap(({ servers }) => servers);
  if (state !== undefined || legs.length !== 1 || !txn || others.length > 0) return false;
  // Of a failure that was acknowledged the response is gone.
  if (txn.state.name === "confirmed") return true;
  const status = txn.response === undefined ? 0 : statusOf(txn.response);
  return status === 401 || status === 407;
}
