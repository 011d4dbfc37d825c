import { buildResponse } from "#signaling/edge/message/build.ts";
import type { LegId, SipEvent } from "#signaling/sip-port/sip-port.ts";
import { parseOwn } from "./compose.ts";
import type { ClientTxn } from "./record.ts";

/**
 * The response that the edge makes when the peer gives none: 408 after the timeout, 503 when it cannot be reached
 * (RFC 3261 §8.1.3.1), 491 for a re-INVITE that has to wait for one of the edge's own.
 */
export function localResponse(leg: LegId, txn: ClientTxn, status: 408 | 491 | 503): SipEvent | undefined {
  const request = parseOwn(txn.request);
  const message = request && parseOwn(buildResponse(request, { status }));
  return (
    message && {
      type: "response",
      leg,
      txn: txn.as ?? txn.id,
      method: txn.method,
      status,
      message,
      local: true,
    }
  );
}
