import type { Clock } from "#common/clock.ts";

/** A clock that moves only when told to. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  #timers: { atMs: number; task: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, task: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, ms), task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Timers that are armed now. */
  get armed(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.task();
    }
    this.#nowMs = untilMs;
  }

  /** Time passes while nothing can run: a busy processor. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }
}
