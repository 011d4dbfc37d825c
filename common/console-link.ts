/** Numbers that a console and an api process agree on for the WebSocket `/v1/events`. Nothing else: browsers load this. */

/** How often the server says that it is there. */
export const HEARTBEAT_MS = 10_000;
/** A console that heard nothing for this long says so and refuses to talk. */
export const STALE_AFTER_MS = 25_000;

/** Why the server closed the socket: WebSocket close codes, ours in the private range (RFC 6455 §7.4.2). */
export const CloseCode = {
  /** No session, or the session ended: sign in again. */
  SignedOut: 4401,
  /** The first message was not a hello, or a message made no sense. */
  BadMessage: 4400,
  /** More messages than a console has reason to send. */
  TooFast: 4429,
  /** The console read too slowly: what it has is old, so it starts again. */
  TooSlow: 4408,
  /** This process is going away: connect again. */
  GoingAway: 1001,
} as const;
