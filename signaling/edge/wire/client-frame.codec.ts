import { durationOf } from "./duration.ts";
import { parseAppMessage, type AppMessage } from "./app-message.codec.ts";

/** How a pending request is to be forwarded. */
export interface ProxyOrder {
  readonly txn: string;
  readonly targets: readonly string[];
  readonly recordRoute: boolean;
  readonly followRedirects: boolean;
  readonly parallel: boolean;
  readonly provisionalMs?: number;
  readonly finalMs?: number;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/** What an application says. Every frame has an id that the reply names. */
export type ClientFrame =
  | {
      readonly type: "authenticate";
      readonly id: string;
      readonly secret: string;
      readonly tags: readonly string[];
    }
  | { readonly type: "route" | "remove-route"; readonly id: string; readonly verb: string }
  | { readonly type: "ping"; readonly id: string }
  | {
      readonly type: "sip";
      readonly id: string;
      /** Server transaction that is answered, or client transaction that is cancelled. "" for none. */
      readonly txn: string;
      /** "" outside dialogs. */
      readonly dialog: string;
      /** Next hop that wins over the request URI. "" for none. */
      readonly hop: string;
      readonly message: AppMessage;
    }
  | {
      readonly type: "proxy";
      readonly id: string;
      /** Every response is to be told, not only that it is done. */
      readonly full: boolean;
      readonly order: ProxyOrder;
    }
  | { readonly type: "unsupported" | "malformed"; readonly id: string; readonly what: string };

const MAX_TOKENS = 32;

/** Reads one frame of an application. Undefined when it has not even an id to answer to. */
export function decodeClientFrame(frame: string): ClientFrame | undefined {
  const lineEnd = frame.indexOf("\r\n");
  const leader = lineEnd === -1 ? frame : frame.slice(0, lineEnd);
  const [id = "", type = "", first = "", second = "", third = ""] = leader.split("|", MAX_TOKENS);
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) return undefined;
  switch (type) {
    case "authenticate":
      return { type, id, secret: first, tags: second.split(",").filter(Boolean) };
    case "route":
      return { type, id, verb: first.toLowerCase() };
    case "remove_route":
      return { type: "remove-route", id, verb: first.toLowerCase() };
    case "ping":
      return { type, id };
    case "sip": {
      const message = lineEnd === -1 ? undefined : parseAppMessage(frame.slice(lineEnd + 2));
      if (!message) return { type: "malformed", id, what: "SIP message" };
      return { type, id, txn: first, dialog: second, hop: third, message };
    }
    case "proxy":
      return { type, id, ...proxyOrder(leader.split("|", MAX_TOKENS), frame.slice(leader.length + 2)) };
    default:
      return { type: "unsupported", id, what: type };
  }
}

/** `id|proxy|txn|remainInDialog|fullResponse|followRedirects|simultaneous|provisional|final|target…`; only the headers of the payload matter. */
function proxyOrder(tokens: readonly string[], payload: string): { full: boolean; order: ProxyOrder } {
  const [, , txn = "", remain = "", full = "", follow = "", forking = "", provisional = "", final = ""] =
    tokens;
  const provisionalMs = durationOf(provisional);
  const finalMs = durationOf(final);
  const order = {
    txn,
    targets: tokens.slice(9).filter((target) => target !== ""),
    recordRoute: remain === "remainInDialog",
    followRedirects: follow === "followRedirects",
    parallel: forking === "simultaneous",
    ...(provisionalMs === undefined ? {} : { provisionalMs }),
    ...(finalMs === undefined ? {} : { finalMs }),
    headers: parseAppMessage(payload)?.headers ?? [],
  };
  return { full: full === "fullResponse", order };
}
