/** What a process has seen in one window. */
export interface Window {
  /** Share of the window that the event loop was busy, 0 to 1. */
  readonly utilisation: number;
  /** Share of the window that the event loop had a processor, 0 to 1. */
  readonly processor: number;
  /** The longest that anything read may have waited in the sockets, in ms. */
  readonly waitMs: number;
  /** New requests that were let in. */
  readonly admitted: number;
  /** New requests that came, those turned away included. */
  readonly offered: number;
}

/** Length of a window, in ms: the backlog that one window can build up is what the first callers of a burst wait. */
export const WINDOW_MS = 100;
/** Above this the loop has no time left. */
const SATURATED = 0.97;
/**
 * Until so long nobody is turned away, in ms: whoever waits is served still, whoever is turned away is lost to us. Callers repeat
 * what they wait for from T1 on (RFC 3261 §17.1.1.2), which costs less than a call.
 */
const ONSET_WAIT_MS = 1_000;
/** The same while others want the processor: they may have done in a moment. */
const STARVED_ONSET_WAIT_MS = 2_000;
/** With less of a processor than this it is others that keep a busy loop from its work, and the wait alone tells. */
const STARVED = 0.6;
/** While some are turned away, the others that a starved process lets in are to be served sooner than that, in ms. */
const WAIT_MS = 200;
/** So soon it serves them when it could let more in, in ms. */
const NO_WAIT_MS = 50;
/** Below this there is room for more. */
const ROOMY = 0.9;
/** Saturated windows in a row before anybody is turned away: a collection of garbage or a cold start is no overload. */
const PATIENCE = 5;
/** First step down: what queued up meanwhile has to be served too. */
const ONSET = 0.7;
const DECREASE = 0.9;
/** Windows that a step down is given to show, while what queued up before is served. */
const DRAIN = 4;
const INCREASE = 1.03;
/** A process that turned everything away would never learn that it could do more. */
const FLOOR_PER_WINDOW = 2;
/** Requests at once that a window's share may be exceeded by. */
const BURST_WINDOWS = 2;

/**
 * How many new requests a process takes in: all while it has time, else as many as it could serve, found as TCP finds its
 * rate: down by a share when saturated, up in small steps while there is room. What belongs to a call that was taken in is
 * never counted: a call half set up has cost most of what it costs.
 */
export class Admission {
  /** Undefined while nothing is turned away. */
  private perWindow: number | undefined;
  private tokens = 0;
  private saturated = 0;
  /** What was let in of late, smoothed: the rate to begin at when saturation is met. */
  private recent = 0;

  /** True while some are turned away. */
  get limiting(): boolean {
    return this.perWindow !== undefined;
  }

  /** New requests a second; undefined for no limit. */
  get perSecond(): number | undefined {
    return this.perWindow === undefined ? undefined : (this.perWindow * 1_000) / WINDOW_MS;
  }

  /** Takes note of a window that has passed. */
  note({ utilisation, processor, waitMs, admitted, offered }: Window): void {
    this.recent = this.recent * 0.7 + admitted * 0.3;
    const starved = processor < STARVED;
    const full = utilisation >= SATURATED && (this.perWindow === undefined || !starved || waitMs >= WAIT_MS);
    this.saturated = full ? this.saturated + 1 : 0;
    const roomy = utilisation < ROOMY || (starved && waitMs < NO_WAIT_MS);
    if (this.perWindow === undefined) {
      // So few callers are not what keeps the process busy: turning them away would help nobody.
      const tolerableMs = starved ? STARVED_ONSET_WAIT_MS : ONSET_WAIT_MS;
      if (this.saturated >= PATIENCE && waitMs >= tolerableMs && this.recent > FLOOR_PER_WINDOW)
        this.perWindow = Math.max(FLOOR_PER_WINDOW, this.recent * ONSET);
    } else if (this.saturated > 0) {
      if (this.saturated % DRAIN === 1)
        this.perWindow = Math.max(FLOOR_PER_WINDOW, Math.min(this.perWindow, this.recent) * DECREASE);
    } else if (roomy) this.perWindow = Math.max(this.perWindow * INCREASE, this.perWindow + 0.2);
    // The crowd has gone: what comes is well below what could be served.
    if (this.perWindow !== undefined && roomy && offered * 1.5 < this.perWindow) this.perWindow = undefined;
    if (this.perWindow !== undefined)
      this.tokens = Math.min(this.tokens + this.perWindow, Math.max(this.perWindow * BURST_WINDOWS, 1));
  }

  /** Whether one more new request is let in. */
  admit(): boolean {
    if (this.perWindow === undefined) return true;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}
