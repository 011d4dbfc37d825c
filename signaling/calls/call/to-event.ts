import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import type { CallEvent } from "./call-event.ts";
import { digitOfInfo } from "./dtmf-info.ts";
import { SDP } from "./effect.ts";

/** The session description of a message, when it has one. */
export const sdpOf = (message: SipMessage): string | undefined =>
  message.hasBody && message.contentType === SDP ? message.body : undefined;

/** Seconds of a Retry-After header (RFC 3261 §20.33). */
export function retryAfterOf(message: SipMessage): number | undefined {
  const seconds = Number.parseInt(message.header("retry-after") ?? "", 10);
  return seconds >= 0 ? seconds : undefined;
}

/** What a SIP event is to a call that has a record; undefined for a request that belongs to none. */
export function callEventOf(event: SipEvent, atMs: number): CallEvent | undefined {
  switch (event.type) {
    case "ack":
      return { type: "ack", leg: event.leg, sdp: sdpOf(event.message), atMs };
    case "ack-timeout":
      return { ...event, atMs };
    case "media-moved":
      return { type: "moved", leg: event.leg, sdp: sdpOf(event.message) ?? "", stood: event.stood, atMs };
    case "session-expired":
      return { type: "session-expired", leg: event.leg, atMs };
    case "prack-timeout":
      return { type: "prack-timeout", leg: event.leg, txn: event.txn, atMs };
    case "cancel":
      return { ...event, atMs };
    case "response": {
      const { leg, method, status, local, message, rack } = event;
      const reliable = rack === undefined ? {} : { reliable: { rack, early: message.to.tag ?? "" } };
      const retryAfterS = status === 503 ? retryAfterOf(message) : undefined;
      const later = retryAfterS === undefined ? {} : { retryAfterS };
      return {
        type: "response",
        leg,
        method,
        status,
        local,
        sdp: sdpOf(message),
        atMs,
        ...reliable,
        ...later,
      };
    }
    case "request":
      return requestEvent(event, atMs);
    case "proxied":
      // What is forwarded is no call of ours.
      return undefined;
  }
}

function requestEvent(
  { leg, txn, message }: Extract<SipEvent, { type: "request" }>,
  atMs: number,
): CallEvent | undefined {
  const { method } = message;
  switch (method) {
    case "BYE":
      return { type: "bye", leg, txn, atMs };
    case "INVITE":
    case "UPDATE":
      return { type: "offer", method, leg, txn, sdp: sdpOf(message), atMs };
    case "PRACK":
      return { type: "prack", leg, txn, sdp: sdpOf(message), atMs };
    case "INFO":
    case "MESSAGE": {
      const { body } = message;
      const contentType = message.hasBody ? message.contentType : undefined;
      return {
        type: "info",
        method,
        leg,
        txn,
        digit: digitOfInfo(contentType, body),
        body,
        contentType,
        atMs,
      };
    }
    default:
      return undefined;
  }
}
