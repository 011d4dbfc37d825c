import { encodeFrame } from "./frame.codec.ts";

/** Where a message came from or went to, as frames tell it. */
export interface Endpoint {
  readonly protocol: string;
  readonly address: string;
  readonly port: number | "";
}

export const NO_ENDPOINT: Endpoint = { protocol: "", address: "", port: "" };

export interface SipFrame {
  readonly id: string;
  /** `application` only for requests that the edge made itself. */
  readonly source: "network" | "application";
  readonly peer: Endpoint;
  readonly nowMs: number;
  readonly txn: string;
  readonly dialog: string;
  /** `host:port` of ours; only on new requests outside a dialog. */
  readonly receivedOn?: string;
  readonly message: string;
}

/** A message for an application. */
export function encodeSipFrame(frame: SipFrame): string | undefined {
  const { id, source, peer, txn, dialog, message } = frame;
  const local = frame.receivedOn === undefined ? [] : [...splitHostPort(frame.receivedOn), ""];
  const meta = [message.length, peer.protocol, peer.address, peer.port, timeOf(frame.nowMs)];
  return encodeFrame([id, "sip", source, ...meta, txn, dialog, ...local], message);
}

interface Reply {
  readonly id: string;
  /** Id of the frame that is answered. */
  readonly to: string;
}

interface SentReply extends Reply {
  readonly peer: Endpoint;
  readonly nowMs: number;
  readonly txn: string;
  readonly message: string;
}

/** A request, ACK or CANCEL of the application has left: the new transaction, and the message as it was sent. */
export const encodeRequestSent = (reply: SentReply): string | undefined =>
  encodeFrame([...sentTokens(reply), reply.txn, "Msg sent:", ""], reply.message);

/** A response of the application has left. */
export const encodeResponseSent = (reply: SentReply & { readonly dialog: string }): string | undefined =>
  encodeFrame([...sentTokens(reply), reply.txn, reply.dialog, "", "Msg sent:", ""], reply.message);

/** A target of a forwarded request has answered; more will follow, so the reply goes on. */
export function encodeProxyStep(reply: SentReply): string | undefined {
  const tokens = sentTokens(reply, "network");
  return encodeFrame([...tokens, "", "", "continue"], reply.message);
}

/** Bare `OK`, with what it says. */
export const encodeOk = (reply: Reply, ...words: readonly string[]): string | undefined =>
  encodeFrame([reply.id, "response", reply.to, "OK", ...words]);

/** A refusal: `NO` for protocol errors, `NOK` for what SIP does not allow. */
export const encodeRefusal = (reply: Reply, word: "NO" | "NOK", reason: string): string | undefined =>
  encodeFrame([reply.id, "response", reply.to, word, reason]);

export interface CdrFrame {
  readonly id: string;
  readonly event: "attempt" | "start" | "stop";
  readonly source: "network" | "application";
  readonly nowMs: number;
  /** Role of a start, reason of a stop. */
  readonly detail?: string;
  readonly message: string;
}

export const encodeCdrFrame = (frame: CdrFrame): string | undefined =>
  encodeFrame(
    [
      frame.id,
      `cdr:${frame.event}`,
      frame.source,
      timeOf(frame.nowMs),
      ...(frame.detail === undefined ? [] : [frame.detail]),
    ],
    frame.message,
  );

function sentTokens(
  { id, to, peer, nowMs, message }: SentReply,
  source: "application" | "network" = "application",
): (string | number)[] {
  return [
    id,
    "response",
    to,
    "OK",
    source,
    message.length,
    peer.protocol,
    peer.address,
    peer.port,
    timeOf(nowMs),
  ];
}

/** `HH:MM:SS.uuuuuu`, UTC. */
const timeOf = (epochMs: number): string => {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  const ms = epochMs % 86_400_000;
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1_000) % 60)}.${String(Math.floor(ms % 1_000)).padStart(3, "0")}000`;
};

function splitHostPort(text: string): readonly [string, string] {
  const colon = text.lastIndexOf(":");
  return [text.slice(0, colon).replace(/^\[|\]$/g, ""), text.slice(colon + 1)];
}
