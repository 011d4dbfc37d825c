import type { ReportBlock } from "./rtcp.codec.ts";

/** A sequence number this far from the last one begins a new count (RFC 3550 appendix A.1: MAX_DROPOUT). */
const MAX_DROPOUT = 3_000;

/** Counts one incoming stream for receiver reports (RFC 3550 appendix A.1, A.3, A.8). */
export class Reception {
  #ssrc = 0;
  #base = 0;
  #highest = 0;
  #received = 0;
  #expectedBefore = 0;
  #receivedBefore = 0;
  #transit: number | undefined;
  #jitter = 0;

  /** Packets that never came, so far. */
  get lost(): number {
    return this.#received === 0 ? 0 : this.#highest - this.#base + 1 - this.#received;
  }

  /** @param arrival when the packet came, in timestamp units */
  note(ssrc: number, sequence: number, timestamp: number, arrival: number): void {
    const step = ((sequence - this.#highest) << 16) >> 16;
    if (this.#received === 0 || ssrc !== this.#ssrc || Math.abs(step) > MAX_DROPOUT) {
      [this.#ssrc, this.#base, this.#highest, this.#received] = [ssrc, sequence, sequence, 1];
      [this.#expectedBefore, this.#receivedBefore, this.#transit, this.#jitter] = [0, 0, undefined, 0];
      return;
    }
    this.#received++;
    if (step > 0) this.#highest += step;
    const transit = (arrival - timestamp) | 0;
    if (this.#transit !== undefined)
      this.#jitter += (Math.abs((transit - this.#transit) | 0) - this.#jitter) / 16;
    this.#transit = transit;
  }

  /** The block for the next report; undefined when nothing has come yet. */
  report(): ReportBlock | undefined {
    if (this.#received === 0) return undefined;
    const expected = this.#highest - this.#base + 1;
    const interval = expected - this.#expectedBefore;
    const lostInterval = interval - (this.#received - this.#receivedBefore);
    [this.#expectedBefore, this.#receivedBefore] = [expected, this.#received];
    const fractionLost =
      interval <= 0 || lostInterval <= 0 ? 0 : Math.min(255, Math.floor((lostInterval << 8) / interval));
    return {
      ssrc: this.#ssrc,
      fractionLost,
      lost: this.lost,
      highestSequence: this.#highest,
      jitter: this.#jitter,
    };
  }
}
