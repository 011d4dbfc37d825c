import { headerKey, isListHeader } from "#signaling/edge/message/header-name.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import { buildResponse } from "#signaling/edge/message/build.ts";
import { splitOutside, utf8ToBytes } from "#signaling/edge/message/grammar.ts";
import type { CallId, Headers } from "#signaling/sip-port/sip-port.ts";

/** What a proxy changes in a request (RFC 3261 §16.6). */
export interface ForwardedParts {
  readonly uri: string;
  readonly via: string;
  /** Ours, the one that faces the target first. */
  readonly recordRoutes: readonly string[];
  readonly routes: readonly string[];
  /** Replace headers of the same name. */
  readonly headers: Headers;
}

const INITIAL_MAX_FORWARDS = 70;
/** Headers that nobody but the proxy itself may change on the way. */
const FIXED: ReadonlySet<string> = new Set([
  "via", "from", "to", "call-id", "cseq", "max-forwards", "route", "record-route", "content-length", "contact",
]); // prettier-ignore
/** URI parameter of our Record-Route that names the record of the call. */
const CALL_PARAM = "call";

/** The request as it goes to a target. Everything else is passed on as it came. */
export function forwardedRequest(request: SipMessage, parts: ForwardedParts): string {
  const extra = parts.headers.filter(([name]) => !FIXED.has(headerKey(name)));
  const replaced = new Set(extra.map(([name]) => headerKey(name)));
  let text = `${request.method} ${parts.uri} SIP/2.0\r\nVia: ${parts.via}\r\n`;
  for (const route of parts.routes) text += `Route: ${route}\r\n`;
  for (const route of parts.recordRoutes) text += `Record-Route: ${route}\r\n`;
  text += `Max-Forwards: ${(request.maxForwards ?? INITIAL_MAX_FORWARDS + 1) - 1}\r\n`;
  for (const [name, value] of request.headerLines()) {
    const key = headerKey(name);
    if (key === "route" || key === "max-forwards" || key === "content-length" || replaced.has(key)) continue;
    text += `${name}: ${value}\r\n`;
  }
  for (const [name, value] of extra)
    text += `${name}: ${/[^\0-\xff]/.test(value) ? utf8ToBytes(value) : value}\r\n`;
  return `${text}Content-Length: ${request.body.length}\r\n\r\n${request.body}`;
}

/** The response as it goes back: without our Via (§16.7 step 3). Undefined when nothing is left to send it by. */
export function forwardedResponse(response: SipMessage): string | undefined {
  if (response.viaCount < 2) return undefined;
  let removed = false;
  let text = response.text.slice(0, response.text.indexOf("\r\n") + 2);
  for (const [name, value] of response.headerLines()) {
    const key = headerKey(name);
    if (key === "content-length") continue;
    if (removed || key !== "via") {
      text += `${name}: ${value}\r\n`;
      continue;
    }
    removed = true;
    const rest = isListHeader(key) ? (splitOutside(value, ",") ?? []).slice(1) : [];
    if (rest.length > 0) text += `${name}: ${rest.join(", ")}\r\n`;
  }
  return `${text}Content-Length: ${response.body.length}\r\n\r\n${response.body}`;
}

/** Our Record-Route: the cluster's address, and the record that any instance finds the dialog's peers in. */
export const recordRouteOf = (call: CallId, hostPort: string, transport: string): string =>
  `<sip:${hostPort};lr;${CALL_PARAM}=${call}${transport === "udp" ? "" : `;transport=${transport}`}>`;

/** The call that the first Route names, when it is one that `recordRouteOf` wrote. */
export const callOfRoute = (route: string | undefined): CallId | undefined =>
  route === undefined ? undefined : parseAddress(route)?.uri.params.get(CALL_PARAM);

/** The Route values behind those of this call (§16.4). */
export function foreignRoutes(request: SipMessage, call: CallId): readonly string[] {
  const routes = request.headers("route");
  const first = routes.findIndex((route) => callOfRoute(route) !== call);
  return first === -1 ? [] : routes.slice(first);
}

/** A response of our own making, to a request that nobody answered. */
export const madeResponse = (request: SipMessage, status: number, toTag: string): string =>
  buildResponse(request, { status, toTag });
