/** Datagrams of one socket that libuv reads in a turn of its loop; whoever got so many may have left some (uv__udp_recvmsg). */
export const UDP_AT_ONCE = 32;

/**
 * How long messages may have waited in the sockets of a process before it read them: at most since these were last seen empty.
 * How busy its loop is does not tell that: a process that has to wait for a processor is hardly ever idle and yet reads what
 * comes within a moment; so does one that takes over the calls of another.
 */
export class ReadLag {
  private emptyAtMs: number;
  private lookedAtMs: number;
  private turnAtMs: number | undefined;
  private datagrams = 0;
  private emptied = true;
  private longestMs = 0;

  constructor(nowMs: number) {
    this.emptyAtMs = this.lookedAtMs = nowMs;
  }

  /**
   * Something was read.
   *
   * @returns true for the first in this turn of the loop: `turnOver` is then to be called at its end
   */
  read(nowMs: number, datagram: boolean): boolean {
    if (datagram) this.datagrams++;
    if (this.turnAtMs !== undefined) return false;
    this.turnAtMs = nowMs;
    return true;
  }

  /** The loop has done what it read in this turn. */
  turnOver(nowMs: number): void {
    this.longestMs = Math.max(this.longestMs, nowMs - this.emptyAtMs);
    this.emptied = this.datagrams < UDP_AT_ONCE;
    if (this.emptied) this.emptyAtMs = this.turnAtMs ?? nowMs;
    this.datagrams = 0;
    this.turnAtMs = undefined;
  }

  /** The longest wait since the last look, in ms; 0 when nothing was read. Call it from a timer. */
  look(nowMs: number): number {
    const waitMs = this.longestMs;
    this.longestMs = 0;
    // Between two timers the loop has asked its sockets: what was left in them would have been read.
    if (this.emptied && this.turnAtMs === undefined)
      this.emptyAtMs = Math.max(this.emptyAtMs, this.lookedAtMs);
    this.lookedAtMs = nowMs;
    return waitMs;
  }
}
