import { defaultPortOf, named, nextHop, type NextHop } from "#signaling/edge/dialog/next-hop.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseUri } from "#signaling/edge/message/uri.ts";
import type { Flow, LegId } from "#signaling/sip-port/sip-port.ts";
import { parseOwn } from "./compose.ts";
import type { Outgoing } from "./draft.ts";
import { parseLegId } from "./ids.ts";

/** Where a message goes whose connection is gone, when its peer is a server that can be connected to. */
export interface WayBack {
  readonly leg: LegId;
  readonly hop: NextHop;
}

/**
 * A response goes to the port that the request's sender named, at the address it came from (RFC 3261 §18.2.2); a request to
 * where its Route or Request-URI says, as if there had been no connection. Both by the same transport: the message names it.
 */
export function wayBackOf({
  flow: lost,
  text,
  status,
}: Pick<Outgoing, "flow" | "text" | "status">): WayBack | undefined {
  if (lost.connection === undefined || (lost.transport !== "tcp" && lost.transport !== "tls"))
    return undefined;
  const message = parseOwn(text);
  const leg = message && (status > 0 ? message.to.tag : message.from.tag);
  if (!message || leg === undefined || !parseLegId(leg)) return undefined;
  const hop = status > 0 ? toSender(message, lost) : toTarget(message, lost);
  return hop && { leg, hop };
}

const toSender = ({ topVia }: SipMessage, { transport, host, name }: Flow): NextHop => {
  const port = topVia.port ?? defaultPortOf(transport);
  const proves = name ?? topVia.host;
  return { flow: { transport, host, port, ...(transport === "tls" && { name: proves }) } };
};

function toTarget(message: SipMessage, lost: Flow): NextHop | undefined {
  const [route] = message.headers("route");
  const uriText = (route === undefined ? undefined : parseAddress(route)?.uriText) ?? message.uri;
  const uri = parseUri(uriText);
  const hop = nextHop(uriText);
  if (!uri || !hop) return undefined;
  if ("uri" in hop)
    return { uri: { ...hop.uri, params: new Map([...hop.uri.params, ["transport", lost.transport]]) } };
  const port = uri.port ?? defaultPortOf(lost.transport);
  return { flow: named({ transport: lost.transport, host: hop.flow.host, port }, lost) };
}
