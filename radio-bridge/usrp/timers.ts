import type { Clock } from "#common/clock.ts";

/**
 * Named one-shot timers. Arming one again only moves its deadline, so that a timer that is armed with every frame costs
 * nothing a frame.
 */
export class Timers<Name extends string> {
  readonly #clock: Clock;
  readonly #expired: (name: Name) => void;
  readonly #armed = new Map<Name, { deadline: number; cancel: () => void }>();

  constructor(clock: Clock, expired: (name: Name) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  arm(name: Name, ms: number): void {
    const deadline = this.#clock.now() + ms;
    const armed = this.#armed.get(name);
    if (armed && armed.deadline <= deadline) armed.deadline = deadline;
    else {
      armed?.cancel();
      this.#armed.set(name, { deadline, cancel: this.#wait(name, ms) });
    }
  }

  disarm(name: Name): void {
    this.#armed.get(name)?.cancel();
    this.#armed.delete(name);
  }

  close(): void {
    for (const { cancel } of this.#armed.values()) cancel();
    this.#armed.clear();
  }

  #wait(name: Name, ms: number): () => void {
    return this.#clock.after(ms, () => {
      const armed = this.#armed.get(name);
      if (!armed) return;
      const left = armed.deadline - this.#clock.now();
      if (left > 0) armed.cancel = this.#wait(name, left);
      else {
        this.#armed.delete(name);
        this.#expired(name);
      }
    });
  }
}
