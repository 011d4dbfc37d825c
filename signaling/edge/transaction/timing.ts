/** Round-trip estimate in ms. RFC 3261 §17.1.1.1, table 4. */
export const T1 = 500;
/** Cap of retransmission interval in ms. RFC 3261 §17.1.2.2. */
export const T2 = 4_000;
/** Longest time a message stays in the network, in ms. RFC 3261 §17.1.2.2. */
export const T4 = 5_000;
/** How long a transaction tries, in ms: timers B, F, H, J, L, M. */
export const TIMEOUT = 64 * T1;

/** When a message is sent again: after `firstMs`, then twice as long each time, up to `capMs`. */
export interface Resend {
  readonly sinceMs: number;
  readonly firstMs: number;
  readonly capMs: number;
}

/** What time does to a state. All times are epoch ms. */
export interface Schedule {
  readonly resend?: Resend;
  /** The `expire` event falls due: somebody has to be told. */
  readonly expireAtMs?: number;
  /** Nothing is expected any more: the transaction may be dropped by whoever comes by. */
  readonly forgetAtMs?: number;
}

/**
 * The first time after `afterMs` at which the message is to be sent again. It follows from the clock alone, so that the
 * retransmissions of a process that died go on where they were, and none of them needs a write.
 */
export function nextResend({ sinceMs, firstMs, capMs }: Resend, afterMs: number): number {
  let interval = firstMs;
  let at = sinceMs + interval;
  while (at <= afterMs) {
    if (interval >= capMs) return at + Math.ceil((afterMs + 1 - at) / capMs) * capMs;
    interval = Math.min(2 * interval, capMs);
    at += interval;
  }
  return at;
}
