import { isIP } from "node:net";
import { parseUri, type SipUri } from "#signaling/edge/message/uri.ts";
import type { Flow, Transport } from "#signaling/sip-port/sip-port.ts";

/** Where a request goes: an address, or a URI whose host must be looked up first. */
export type NextHop = { readonly flow: Flow } | { readonly uri: SipUri };

const TRANSPORTS: ReadonlySet<string> = new Set(["udp", "tcp", "tls", "ws", "wss"]);

/**
 * Where to send a request to `uri`.
 *
 * @param peer where the other side of the dialog is known to be: used when its Contact cannot be reached, because it is
 *   behind a socket that only the peer can open or behind an address translator (RFC 5626 §3, RFC 3581 §4)
 * @returns undefined when the URI is none that a request can be sent to
 */
export function nextHop(uriText: string, peer?: Flow): NextHop | undefined {
  const uri = parseUri(uriText);
  if (peer?.connection !== undefined) return { flow: peer };
  if (!uri || (uri.scheme !== "sip" && uri.scheme !== "sips")) return peer && { flow: peer };
  // RFC 5626 §4.3: the client asks for its own flow, whatever address stands there.
  if (peer && uri.params.has("ob")) return { flow: peer };
  // RFC 5627 §4.4: a Contact that is a GRUU of ours would lead back here; its device is where its messages come from.
  if (peer && uri.params.has("gr")) return { flow: peer };
  if (isIP(uri.host) === 0) return uri.host.endsWith(".invalid") ? peer && { flow: peer } : { uri };
  if (peer && uri.host !== peer.host && isPrivate(uri.host)) return { flow: peer };
  const transport = transportOf(uri);
  return { flow: named({ transport, host: uri.host, port: uri.port ?? defaultPortOf(transport) }, peer) };
}

/** RFC 3261 §19.1.2. */
export const defaultPortOf = (transport: Transport): number => (transport === "tls" ? 5_061 : 5_060);

/**
 * A way to a peer that was reached at the same address before: what it had to prove then (RFC 5922) it has to prove again,
 * whatever its Contact says.
 */
export const named = (flow: Flow, before: Flow | undefined): Flow =>
  before?.name !== undefined &&
  flow.name === undefined &&
  flow.host === before.host &&
  flow.transport === "tls"
    ? { ...flow, name: before.name }
    : flow;

/** RFC 3263 §4.1 for a numeric host. */
function transportOf(uri: SipUri): Transport {
  const named = uri.params.get("transport")?.toLowerCase();
  if (uri.scheme === "sips") return named === "ws" || named === "wss" ? "wss" : "tls";
  return named !== undefined && TRANSPORTS.has(named) ? (named as Transport) : "udp";
}

/** RFC 1918, 6598, 3927, loopback, and their IPv6 counterparts: never where a peer from elsewhere is reached. */
const isPrivate = (host: string): boolean =>
  /^(?:10\.|127\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(
    host,
  ) || /^(?:::1$|f[cd]|fe[89ab])/i.test(host);
