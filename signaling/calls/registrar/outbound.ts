import type { Binding } from "#state/registration/binding.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Headers } from "#signaling/sip-port/sip-port.ts";

/**
 * What the 200 to a REGISTER says to a client that keeps flows (RFC 5626 §6, §5.4): that its contacts are bound to the
 * connection they came by, and how often we want to hear of it.
 *
 * @param keepaliveSeconds longest pause between two keepalives
 */
export function outboundHeaders(message: SipMessage, keepaliveSeconds: number): Headers {
  const supports = message.headers("supported").some((tag) => tag.toLowerCase() === "outbound");
  const asks =
    !message.contactIsWildcard &&
    message.contacts.some(({ params }) => params.has("reg-id") && params.has("+sip.instance"));
  // Someone else's proxy on the way has the client's flow, not we: it speaks of it by Path.
  const direct = message.headers("via").length === 1;
  if (!supports || !asks || !direct) return [];
  return [
    ["Require", "outbound"],
    ["Flow-Timer", String(keepaliveSeconds)],
  ];
}

/**
 * One flow of each device: a device that keeps several must not ring over two of them at once (RFC 5626 §5.3). The others are
 * tried when the first fails.
 */
export function oneFlowEach(bindings: readonly Binding[]): Binding[] {
  const devices = new Set<string>();
  return bindings.filter(({ instanceId, regId }) => {
    if (instanceId === undefined || regId === undefined) return true;
    if (devices.has(instanceId)) return false;
    devices.add(instanceId);
    return true;
  });
}
