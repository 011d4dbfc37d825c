import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow, LegId, SipEvent, Transport } from "#signaling/sip-port/sip-port.ts";
import type { EdgeFrame } from "./edge-frame.codec.ts";
import type { LegNames } from "./leg-names.ts";

/** A frame of the server as an event of the SIP port; undefined when it is malformed or of a leg nobody knows. */
export function toEvent(frame: Extract<EdgeFrame, { type: "sip" }>, names: LegNames): SipEvent | undefined {
  const parsed = parseMessage(frame.text);
  if (!parsed.ok) return undefined;
  const { message } = parsed;
  const { method } = message;
  const isRequest = message.kind === "request";
  const leg = names.legOf(frame, isRequest && method !== "ACK" && method !== "CANCEL" && frame.dialog === "");
  if (leg === undefined) return undefined;
  names.learn(leg, { dialog: frame.dialog });
  if (!isRequest) {
    const { status } = message;
    const rseq = status < 200 ? message.header("rseq") : undefined;
    const rack = rseq === undefined ? {} : { rack: `${rseq} ${message.cseq.seq} ${method}` };
    return { type: "response", leg, txn: frame.txn, method, status, message, local: false, ...rack };
  }
  if (frame.source === "application") return { type: "ack-timeout", leg };
  if (method === "ACK") return { type: "ack", leg, message };
  if (method === "CANCEL") return { type: "cancel", leg, txn: frame.txn };
  return {
    type: "request",
    leg,
    txn: frame.txn,
    dialog: frame.dialog !== "",
    message,
    source: sourceOf(frame),
  };
}

/** The record that an event belongs to. */
export const callOf = (leg: LegId): string => leg.slice(0, leg.lastIndexOf("."));

function sourceOf({ protocol, address, port }: Extract<EdgeFrame, { type: "sip" }>): Flow {
  const transport: Transport = isTransport(protocol) ? protocol : "udp";
  return { transport, host: address, port };
}

const isTransport = (name: string): name is Transport => ["udp", "tcp", "tls", "ws", "wss"].includes(name);
