import type { Binding } from "#state/registration/binding.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import { parseUri } from "#signaling/edge/message/uri.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { Destination } from "./call/call-event.ts";

/** A registered contact as something to send to. */
export const destinationOf = ({ uri, flow, key, expiresAtMs, path }: Binding): Destination => ({
  uri, key, expiresAtMs, flow: flowTo(path?.[0] === undefined ? uri : (parseAddress(path[0])?.uriText ?? uri), flow), ...(path && { path }),
  webrtc: flow.transport === "ws" || flow.transport === "wss",
}); // prettier-ignore

/**
 * The way to a contact, or to the first proxy of its Path: back where its REGISTER came from, which is the only way through an address translator (RFC 5626).
 * A UDP client that names another port of the very address it registered from is not behind one, and is believed.
 */
function flowTo(uri: string, flow: Flow): Flow {
  if (flow.transport !== "udp") return flow;
  const contact = parseUri(uri);
  return contact?.host === flow.host ? { ...flow, port: contact.port ?? 5_060 } : flow;
}
