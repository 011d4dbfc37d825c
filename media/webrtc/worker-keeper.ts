import { systemClock, type Clock } from "#common/clock.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { restartDelayOf } from "./restart-delay.ts";
import type { MediaWorker } from "./worker.ts";

/** A worker that lived this long did not fail at its start: the next failure counts from one again. */
const PROVEN_AFTER_MS = 60_000;

export interface KeeperOptions {
  start(): Promise<MediaWorker>;
  /** The worker died; whatever lived in it is gone. */
  onDied(): void;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** Keeps one media worker running: starts another when it dies, waiting longer after each failure in a row. */
export class WorkerKeeper {
  readonly #options: KeeperOptions;
  readonly #clock: Clock;
  #worker: MediaWorker | undefined;
  #failures = 0;
  #bornMs = 0;
  #cancelRestart: (() => void) | undefined;
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** @throws CrossbandError WORKER_UNAVAILABLE while there is none */
  get worker(): MediaWorker {
    if (this.#worker === undefined)
      throw new CrossbandError(ErrorCode.WorkerUnavailable, "no media worker is running");
    return this.#worker;
  }

  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  /** Starts the first worker. When that fails the next tries go on by themselves; nobody need wait for them. */
  async start(): Promise<void> {
    try {
      const worker = await this.#options.start();
      if (this.#closed) {
        worker.close();
        return;
      }
      this.#worker = worker;
      this.#bornMs = this.#clock.now();
      worker.onDied((cause) => {
        this.#died(cause);
      });
      this.#options.log.info({ pid: worker.pid }, "media worker started");
    } catch (cause) {
      this.#options.log.error({ err: cause }, "media worker does not start");
      this.#restart();
    }
  }

  close(): void {
    this.#closed = true;
    this.#cancelRestart?.();
    this.#worker?.close();
    this.#worker = undefined;
  }

  #died(cause: Error): void {
    if (this.#closed) return;
    this.#options.log.error({ err: cause, pid: this.#worker?.pid }, "media worker died");
    this.#worker = undefined;
    if (this.#clock.now() - this.#bornMs > PROVEN_AFTER_MS) this.#failures = 0;
    this.#options.onDied();
    this.#restart();
  }

  #restart(): void {
    if (this.#closed) return;
    this.#failures += 1;
    this.#cancelRestart = this.#clock.after(restartDelayOf(this.#failures), () => {
      void this.start();
    });
  }
}
