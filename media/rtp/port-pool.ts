import { CrossbandError, ErrorCode } from "#common/errors.ts";

/** A closed port is not given out again for this long, in ms: a phone that still sends must not reach another call. */
export const QUARANTINE_MS = 30_000;

/**
 * Even ports of a range, each with the odd one above it for RTCP (RFC 3550 §11). The pool only counts: another process may
 * hold a port, so whoever takes one tries to bind it, and gives it back when that fails.
 */
export class PortPool {
  readonly #size: number;
  readonly #free: number[];
  readonly #used = new Set<number>();
  #resting: { port: number; untilMs: number }[] = [];

  /**
   * @param from first and @param to last port, both included
   * @param share where to begin, 0 to 1: processes that share a range begin in different places
   */
  constructor(from: number, to: number, share = 0) {
    const first = from + (from % 2);
    const pairs = Array.from(
      { length: Math.max(0, Math.floor((to - first + 1) / 2)) },
      (_, i) => first + 2 * i,
    );
    const begin = Math.floor(share * pairs.length);
    this.#free = [...pairs.slice(begin), ...pairs.slice(0, begin)];
    this.#size = pairs.length;
  }

  /** Pairs that may be given out now or later. */
  get size(): number {
    return this.#size;
  }

  /** Share of the pairs in use, 0 to 1. */
  get load(): number {
    return this.#size === 0 ? 1 : this.#used.size / this.#size;
  }

  /** @throws CrossbandError PORTS_EXHAUSTED when every pair is used, resting or held by others */
  take(nowMs: number): number {
    while (this.#resting[0] && this.#resting[0].untilMs <= nowMs)
      this.#free.push(this.#resting.shift()?.port ?? 0);
    const port = this.#free.shift();
    if (port === undefined)
      throw new CrossbandError(ErrorCode.PortsExhausted, "no RTP port is free", {
        pairs: this.#size,
        resting: this.#resting.length,
      });
    this.#used.add(port);
    return port;
  }

  /** Gives a pair back, to rest first. Ports that were not taken are ignored. */
  release(port: number, nowMs: number): void {
    if (this.#used.delete(port)) this.#resting.push({ port, untilMs: nowMs + QUARANTINE_MS });
  }
}
