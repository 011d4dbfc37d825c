/** Granularity of retransmissions, in ms: T1 is five of them. */
const TICK_MS = 100;

/** The interval that drives a wheel; tests turn it by hand. */
export interface Ticker {
  /** Runs `task` every `ms` until the returned function is called. */
  every(ms: number, task: () => void): () => void;
}

export const systemTicker: Ticker = {
  every(ms, task) {
    const timer = setInterval(task, ms);
    timer.unref();
    return () => {
      clearInterval(timer);
    };
  },
};

/**
 * One deadline a name, looked after by a single interval that runs only while something is armed. Arming again replaces the
 * deadline; nothing is cancelled in the slots: a name is looked up when its slot opens, and counts only if still due.
 */
export class Wheel {
  private readonly due = new Map<string, number>();
  private readonly slots = new Map<number, string[]>();
  private readonly fire: (name: string, atMs: number) => void;
  private readonly now: () => number;
  private readonly ticker: Ticker;
  private opened: number;
  private stop: (() => void) | undefined;

  constructor(fire: (name: string, atMs: number) => void, now: () => number, ticker: Ticker = systemTicker) {
    this.fire = fire;
    this.now = now;
    this.ticker = ticker;
    this.opened = Math.floor(now() / TICK_MS);
  }

  get size(): number {
    return this.due.size;
  }

  has(name: string): boolean {
    return this.due.has(name);
  }

  /** Everything that is armed. */
  names(): IterableIterator<string> {
    return this.due.keys();
  }

  /** When a name falls due. */
  at(name: string): number | undefined {
    return this.due.get(name);
  }

  arm(name: string, atMs: number): void {
    if (this.due.get(name) === atMs) return;
    this.due.set(name, atMs);
    this.stop ??= this.start();
    const slot = Math.max(slotOf(atMs), this.opened + 1);
    const names = this.slots.get(slot);
    if (names) names.push(name);
    else this.slots.set(slot, [name]);
  }

  disarm(name: string): void {
    this.due.delete(name);
  }

  close(): void {
    this.due.clear();
    this.halt();
  }

  /** Opens every slot up to now. */
  turn(): void {
    const current = Math.floor(this.now() / TICK_MS);
    // After a pause (a suspended machine) the gap may be long: then look at what there is rather than at each slot.
    const slots =
      current - this.opened > this.slots.size
        ? [...this.slots.keys()].filter((slot) => slot <= current).toSorted((a, b) => a - b)
        : Array.from({ length: current - this.opened }, (_, i) => this.opened + 1 + i);
    this.opened = current;
    for (const slot of slots) {
      const names = this.slots.get(slot) ?? [];
      this.slots.delete(slot);
      for (const name of names) {
        const atMs = this.due.get(name);
        if (atMs === undefined || slotOf(atMs) > current) continue;
        this.due.delete(name);
        this.fire(name, atMs);
      }
    }
    if (this.due.size === 0) this.halt();
  }

  private start(): () => void {
    this.opened = Math.floor(this.now() / TICK_MS);
    return this.ticker.every(TICK_MS, () => {
      this.turn();
    });
  }

  private halt(): void {
    this.stop?.();
    this.stop = undefined;
    this.slots.clear();
  }
}

const slotOf = (atMs: number): number => Math.ceil(atMs / TICK_MS);
