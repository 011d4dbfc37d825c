/** Where an endpoint sends from, and whether it may change that (symmetric RTP, RFC 4961, with limits). */
export interface Latch {
  readonly address: string;
  readonly port: number;
  /** When the last packet from there came, in ms; undefined before the first. */
  readonly heardMs?: number;
}

export interface Source {
  readonly address: string;
  readonly port: number;
}

/** The old source has been silent for this long before another address is believed, in ms. */
export const LATCH_SILENCE_MS = 200;

/**
 * Judges a packet's source. The first address is the one of the SDP; the first packet from anywhere corrects it (NAT). Later
 * another port of the same address is followed at once, another address only when the old one is silent: a stranger cannot
 * take over a stream that lives ("RTP bleed").
 *
 * @returns the latch to keep, or undefined for a packet to drop
 */
export function latchTo(latch: Latch, source: Source, nowMs: number): Latch | undefined {
  // Nothing can be sent back to port 0; only a forged packet comes from there.
  if (source.port === 0) return undefined;
  const same = latch.address === source.address;
  if (same || latch.heardMs === undefined || nowMs - latch.heardMs >= LATCH_SILENCE_MS)
    return { address: source.address, port: source.port, heardMs: nowMs };
  return undefined;
}
