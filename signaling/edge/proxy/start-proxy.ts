import type { Draft } from "#signaling/edge/engine/draft.ts";
import { legOfTxn, parseLegId } from "#signaling/edge/engine/ids.ts";
import type { Flow, Headers, TxnId } from "#signaling/sip-port/sip-port.ts";
import { launch, proxyOf, putContext, putProxy, readRequest } from "./branches.ts";
import { MAX_TARGETS } from "./proxy-response.ts";

/** Forwards the request that began a call as a stateful proxy (RFC 3261 §16); the edge does the rest alone. */
export interface ProxyCommand {
  readonly txn: TxnId;
  /** The whole request, and where it came from. */
  readonly request: string;
  readonly source: Flow;
  readonly targets: readonly string[];
  readonly recordRoute: boolean;
  readonly followRedirects: boolean;
  readonly parallel: boolean;
  readonly provisionalMs?: number;
  readonly finalMs?: number;
  readonly headers?: Headers;
}

/** From now on the call is forwarded, and no dialog of ours. The same again changes nothing. */
export function startProxy(draft: Draft, command: ProxyCommand): void {
  const address = parseLegId(legOfTxn(command.txn) ?? "");
  const leg = address?.number === 0 ? draft.leg(0) : undefined;
  const txn = leg?.servers.find(({ id }) => id === command.txn);
  const request = readRequest(command.request);
  const open = txn?.state.name === "proceeding" || txn?.state.name === "trying";
  if (!leg || !txn || !open || !request || proxyOf(draft)) return;
  const { dialog: _ours, ...bare } = leg;
  draft.putLeg(0, bare);
  const { targets, recordRoute, followRedirects, parallel, provisionalMs, finalMs, headers = [] } = command;
  putProxy(draft, {
    callId: request.callId,
    callerTag: request.from.tag ?? "",
    caller: command.source,
    next: 1,
    contexts: {},
  });
  putContext(draft, 0, {
    txn: txn.id,
    method: request.method,
    upstream: txn.flow,
    request: command.request,
    plan: {
      recordRoute,
      followRedirects,
      parallel,
      ...(provisionalMs === undefined ? {} : { provisionalMs }),
      ...(finalMs === undefined ? {} : { finalMs }),
      headers,
    },
    waiting: [...new Set(targets)].slice(0, MAX_TARGETS),
    branches: {},
    answered: false,
  });
  launch(draft, 0);
}
