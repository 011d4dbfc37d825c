import type { Clock } from "#common/clock.ts";
import { FRAME_MS } from "#media/bus/frame.ts";

/** Further behind than this, the beats missed are left out: a burst of old audio helps nobody. In ms. */
const GIVE_UP_MS = 100;

/** Wall-clock time that never goes back and has fractions of a millisecond. */
export const audioClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, Math.max(0, Math.ceil(ms)));
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Calls `onBeat` every FRAME_MS without drift while it runs; no timer exists while it does not. */
export class Beat {
  readonly #clock: Clock;
  readonly #onBeat: (atMs: number, lateMs: number) => void;
  #cancel: (() => void) | undefined;
  /** Never less than one frame after the last beat, across a stop too. */
  #nextMs = 0;

  /** @param onBeat is told for which moment it is called, and how late that is */
  constructor(clock: Clock, onBeat: (atMs: number, lateMs: number) => void) {
    this.#clock = clock;
    this.#onBeat = onBeat;
  }

  get running(): boolean {
    return this.#cancel !== undefined;
  }

  start(): void {
    if (this.#cancel) return;
    // At once: who speaks is heard soonest, and groups do not all beat at the same moment.
    this.#nextMs = Math.max(this.#clock.now(), this.#nextMs);
    this.#arm();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(): void {
    this.#cancel = this.#clock.after(this.#nextMs - this.#clock.now(), () => {
      this.#beat();
    });
  }

  #beat(): void {
    const [atMs, nowMs] = [this.#nextMs, this.#clock.now()];
    const lateMs = nowMs - atMs;
    this.#nextMs = lateMs > GIVE_UP_MS ? nowMs + FRAME_MS : atMs + FRAME_MS;
    this.#arm();
    this.#onBeat(atMs, lateMs);
  }
}
