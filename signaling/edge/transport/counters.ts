/** What the sockets of a process have seen. Exported as `crossband_sip_transport_total{event=…}`. */
export const TRANSPORT_EVENTS = [
  "received",
  "sent",
  "keepalive",
  "malformed",
  "too-large",
  "rate-limited",
  "shed",
  "banned",
  "scanner",
  "handler-failed",
  "send-failed",
  "connection-opened",
  "connection-closed",
  "connection-refused",
  "handshake-failed",
  "slow-peer",
  "delivered-here",
  "delivered-elsewhere",
] as const;
export type TransportEvent = (typeof TRANSPORT_EVENTS)[number];

export type TransportCounters = Record<TransportEvent, number>;

/** Counters at zero. */
export const newCounters = (): TransportCounters =>
  Object.fromEntries(TRANSPORT_EVENTS.map((event) => [event, 0])) as TransportCounters;
