import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import type { Flow, LegId } from "#signaling/sip-port/sip-port.ts";

/** A dialog as RFC 3261 §12 defines it; our own tag is the leg's id. */
export interface DialogRecord {
  /** Made by SUBSCRIBE and by nothing else: it ends with its subscription (RFC 6665 §4.4.1). */
  readonly usage?: "subscription";
  /** `early` also covers a dialog that no response has made yet: then there is no remote tag. */
  readonly state: "early" | "confirmed" | "ended";
  readonly callId: string;
  /** Our From or To value, without tag. */
  readonly local: string;
  /** The peer's From or To value, without tag. */
  readonly remote: string;
  readonly remoteTag?: string;
  readonly localSeq: number;
  /** Highest CSeq of the peer; undefined before its first request. */
  readonly remoteSeq?: number;
  /** Contact of the peer. */
  readonly target?: string;
  /** Route set in the order in which our requests name it. */
  readonly routes: readonly string[];
  /** Where the peer's messages come from, or where the first request went. */
  readonly flow: Flow;
}

/** The dialog that a request outside one would begin (§12.1.1). */
export function dialogOfRequest(request: SipMessage, flow: Flow): DialogRecord {
  const target = request.contacts[0]?.uriText;
  return {
    ...(request.method === "SUBSCRIBE" ? { usage: "subscription" as const } : {}),
    state: "early",
    callId: request.callId,
    local: withoutTag(request.header("to") ?? ""),
    remote: withoutTag(request.header("from") ?? ""),
    remoteTag: request.from.tag ?? "",
    localSeq: 0,
    remoteSeq: request.cseq.seq,
    ...(target === undefined ? {} : { target }),
    routes: request.headers("record-route"),
    flow,
  };
}

/** What a response to our INVITE makes of the dialog (§12.1.2): a 2xx settles tag, route set and target for good. */
export function dialogOfResponse(dialog: DialogRecord, response: SipMessage): DialogRecord {
  const tag = response.to.tag;
  if (dialog.state === "confirmed") return refreshTarget(dialog, response);
  if (dialog.state === "ended" || (tag === undefined && response.status < 200)) return dialog;
  return refreshTarget(
    {
      ...dialog,
      state: response.status >= 200 ? "confirmed" : "early",
      remoteTag: tag ?? "",
      remote: withoutTag(response.header("to") ?? ""),
      routes: response.headers("record-route").toReversed(),
    },
    response,
  );
}

/**
 * What the first NOTIFY makes of a dialog that our SUBSCRIBE began: it may come before the answer to that, and is what
 * establishes the dialog (RFC 6665 §4.4.1). The NOTIFY of another fork finds the dialog taken.
 */
export function dialogOfNotify(dialog: DialogRecord, notify: SipMessage, flow: Flow): DialogRecord {
  return refreshTarget(
    {
      ...dialog,
      state: "confirmed",
      remote: withoutTag(notify.header("from") ?? ""),
      remoteTag: notify.from.tag ?? "",
      remoteSeq: notify.cseq.seq - 1,
      routes: notify.headers("record-route"),
      flow,
    },
    notify,
  );
}

/** A subscription's dialog after a NOTIFY, sent or received: over when the NOTIFY says so (RFC 6665 §4.1.3). */
export function afterNotify(dialog: DialogRecord, subscriptionState: string | undefined): DialogRecord {
  const over = dialog.usage === "subscription" && /^\s*terminated\b/i.test(subscriptionState ?? "");
  return over ? { ...dialog, state: "ended" } : dialog;
}

/** A subscription's dialog whose NOTIFY met nobody (RFC 6665 §4.2.2: 481, or no answer at all). */
export const withoutSubscriber = (dialog: DialogRecord, status: number): DialogRecord =>
  dialog.usage === "subscription" && (status === 481 || status === 408)
    ? { ...dialog, state: "ended" }
    : dialog;

/** Target refresh (§12.2): the Contact of an INVITE or UPDATE, or of its 2xx, is where the next request goes. */
export function refreshTarget(dialog: DialogRecord, message: SipMessage): DialogRecord {
  const target = message.contacts[0]?.uriText;
  return target === undefined || target === dialog.target ? dialog : { ...dialog, target };
}

/** True when a request comes from the peer of this dialog, as far as its identifiers say. */
export const isOf = (dialog: DialogRecord, request: SipMessage): boolean =>
  request.callId === dialog.callId && (request.from.tag ?? "") === dialog.remoteTag;

/** Why a request that names this dialog is refused; undefined when it is in order. */
export function refuseRequest(dialog: DialogRecord, request: SipMessage): 481 | 500 | undefined {
  if (dialog.state === "ended" || !isOf(dialog, request)) return 481;
  // §12.2.2: out of order is 500. A retransmission has been told apart before.
  return dialog.remoteSeq !== undefined && request.cseq.seq <= dialog.remoteSeq ? 500 : undefined;
}

/** The parts of a request in the dialog that the dialog decides. */
export interface RoutedRequest {
  readonly uri: string;
  readonly routes: readonly string[];
  /** URI of the next hop. */
  readonly hop: string;
}

/** §12.2.1.1: a first route without `lr` takes the place of the Request-URI. */
export function routeOf(dialog: DialogRecord): RoutedRequest {
  const target = dialog.target ?? parseAddress(dialog.remote)?.uriText ?? "";
  const first = dialog.routes[0] === undefined ? undefined : parseAddress(dialog.routes[0]);
  if (!first) return { uri: target, routes: [], hop: target };
  if (first.uri.params.has("lr")) return { uri: target, routes: dialog.routes, hop: first.uriText };
  return { uri: first.uriText, routes: [...dialog.routes.slice(1), `<${target}>`], hop: first.uriText };
}

/** From and To of a request of ours in the dialog. */
export const identityOf = (
  dialog: DialogRecord,
  leg: LegId,
): { readonly from: string; readonly to: string } => ({
  from: `${dialog.local};tag=${leg}`,
  to:
    dialog.remoteTag === undefined || dialog.remoteTag === ""
      ? dialog.remote
      : `${dialog.remote};tag=${dialog.remoteTag}`,
});

/** An address header without its tag; other parameters stay. */
export const withoutTag = (value: string): string => {
  const close = value.lastIndexOf(">");
  return value.slice(0, close + 1) + value.slice(close + 1).replace(/\s*;\s*tag\s*=\s*[^;,\s]*/i, "");
};
