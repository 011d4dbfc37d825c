import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";

const DEFAULT_PORT = 5060;

/**
 * Where the response to a request goes (RFC 3261 §18.2.2, RFC 3581 §4): back over the connection it came by, or for UDP to
 * the address it came from, at the port of its rport or sent-by. `maddr` is not followed: it would let anybody aim our
 * answers at a third party.
 */
export function responseFlow(request: SipMessage, source: Flow): Flow {
  if (source.transport !== "udp") return source;
  const via = request.topVia;
  const port = via.rport === undefined ? (via.port ?? DEFAULT_PORT) : source.port;
  return port === source.port ? source : { ...source, port };
}
