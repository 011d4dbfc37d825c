import type { CallId } from "#signaling/sip-port/sip-port.ts";

/** Ids end in hexadecimal digits of a keyed hash; so many of them say which share a call belongs to. */
const DIGITS = 4;
const SHARES = 16 ** DIGITS;

/**
 * Which calls are looked at when there are too many: as large a share of all as keeps within a rate. It goes by the id, so a
 * call is in it or not for as long as the share stands, and for every process whose share is as large.
 */
export class CallShare {
  private readonly perSecond: number;
  private second = 0;
  private begun = 0;
  private limit = SHARES;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /** A call begins. */
  begin(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.second) {
      const seconds = Math.max(1, second - this.second);
      this.limit = Math.min(SHARES, (this.perSecond * seconds * SHARES) / Math.max(1, this.begun));
      this.second = second;
      this.begun = 0;
    }
    this.begun++;
  }

  has(call: CallId): boolean {
    return this.limit >= SHARES || Number.parseInt(call.slice(-DIGITS), 16) < this.limit;
  }
}
