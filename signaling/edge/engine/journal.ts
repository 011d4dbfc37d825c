import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { CallId } from "#signaling/sip-port/sip-port.ts";
import type { Job } from "./call-runner.ts";

/** What waits for Redis at most; beyond it nothing more is promised to peers. */
const MAX_ENTRIES = 10_000;
/** How often it is tried whether Redis is back, in ms. */
const RETRY_MS = 500;
/** An entry that could not be done for this long is given up: the record that it is for has gone as well, in ms. */
const MAX_AGE_MS = 900_000;
/** Entries that are done at once when Redis is back. */
const PARALLEL = 64;

export interface JournalOptions {
  readonly run: (job: Job) => Promise<unknown>;
  readonly now: () => number;
  /** An entry was given up: too old, or it cannot be done. */
  readonly dropped: (error: unknown) => void;
  /** Nothing waits to be done in a call any more. */
  readonly settled: (call: CallId) => void;
}

interface Entry {
  readonly job: Job;
  readonly sinceMs: number;
}

/**
 * What peers were answered, or will not say again, although Redis was away: it is committed when Redis is back. In memory: if
 * this process dies first, the call ends when its other side hangs up, or when its media is silent.
 */
export class Journal {
  private readonly entries = new Map<string, Entry>();
  /** How many entries a call has. */
  private readonly calls = new Map<CallId, number>();
  private readonly options: JournalOptions;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(options: JournalOptions) {
    this.options = options;
  }

  get size(): number {
    return this.entries.size;
  }

  /** True while something waits to be done in a call: before it, nothing else is done there by the clock. */
  holds(call: CallId): boolean {
    return this.calls.has(call);
  }

  /**
   * @param name what is alike when the same message comes again, which is kept once
   * @returns false when there is no more room
   */
  add(name: string, job: Job): boolean {
    if (this.entries.has(name)) return true;
    if (this.closed || this.entries.size >= MAX_ENTRIES) return false;
    this.entries.set(name, { job, sinceMs: this.options.now() });
    this.calls.set(job.call, (this.calls.get(job.call) ?? 0) + 1);
    this.wait();
    return true;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.entries.clear();
    this.calls.clear();
  }

  private wait(): void {
    if (this.closed || this.entries.size === 0) return;
    this.timer ??= setTimeout(() => {
      void this.settle().finally(() => {
        this.timer = undefined;
        this.wait();
      });
    }, RETRY_MS).unref();
  }

  /** The first entry finds out for all whether Redis is back. */
  private async settle(): Promise<void> {
    const all = [...this.entries];
    for (let at = 0; at < all.length && !this.closed; at += at === 0 ? 1 : PARALLEL) {
      const some = all.slice(at, at === 0 ? 1 : at + PARALLEL);
      const done = await Promise.all(some.map(([name, entry]) => this.try(name, entry)));
      if (!done.every(Boolean)) return;
    }
  }

  /** False while Redis is away. */
  private async try(name: string, { job, sinceMs }: Entry): Promise<boolean> {
    try {
      await this.options.run(job);
    } catch (error) {
      const away = error instanceof CrossbandError && error.code === ErrorCode.StateUnavailable;
      if (away && this.options.now() - sinceMs < MAX_AGE_MS) return false;
      this.options.dropped(error);
    }
    this.entries.delete(name);
    const left = (this.calls.get(job.call) ?? 1) - 1;
    if (left > 0) this.calls.set(job.call, left);
    else {
      this.calls.delete(job.call);
      this.options.settled(job.call);
    }
    return true;
  }
}
