import type { Logger } from "#common/log.ts";
import type { CallId } from "#signaling/sip-port/sip-port.ts";

export interface HandOverOptions {
  /** Instances that may take calls, the best first. Asked when this one begins to leave, and again when one does not answer. */
  readonly heirs: () => Promise<readonly string[]>;
  /** Gives calls to another instance; resolves when it has taken them. */
  readonly give: (heir: string, calls: readonly CallId[]) => Promise<void>;
  readonly log: Logger;
}

/** Calls that are given at once: the heir reads and commits each. */
const BATCH = 100;
/** A heir that did not answer is followed by the next; then the calls are left to be adopted as after a death. */
const HEIRS_TRIED = 3;

/**
 * Gives the calls of an instance that leaves to one that stays, at once and not when its lease has ended. Nothing is lost
 * when it fails half way: who was not told finds the calls in the due sets.
 */
export class HandOver {
  private readonly options: HandOverOptions;
  private readonly waiting = new Set<CallId>();
  private candidates: string[] = [];
  private giving: Promise<void> | undefined;

  constructor(options: HandOverOptions) {
    this.options = options;
  }

  /** Who gets the calls; undefined when nobody stays. */
  get heir(): string | undefined {
    return this.candidates[0];
  }

  /** Chooses the heir. */
  async begin(): Promise<void> {
    this.candidates = (await this.options.heirs().catch(() => [])).slice(0, HEIRS_TRIED);
  }

  /** Gives a call, soon. */
  add(call: CallId): void {
    if (this.candidates.length === 0) return;
    this.waiting.add(call);
    this.giving ??= this.giveAll().finally(() => {
      this.giving = undefined;
    });
  }

  /** Resolves when everything has been given, or nobody takes it. */
  async settled(): Promise<void> {
    while (this.giving) await this.giving;
  }

  private async giveAll(): Promise<void> {
    // What is added in the same turn goes along.
    await Promise.resolve();
    while (this.waiting.size > 0) {
      const { heir } = this;
      if (heir === undefined) {
        this.waiting.clear();
        return;
      }
      const calls = [...this.waiting].slice(0, BATCH);
      for (const call of calls) this.waiting.delete(call);
      try {
        await this.options.give(heir, calls);
      } catch (error) {
        this.options.log.warn({ heir, calls: calls.length, error: String(error) }, "calls not taken over");
        this.candidates.shift();
        for (const call of calls) this.waiting.add(call);
      }
    }
  }
}
