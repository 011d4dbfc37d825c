import type { CallId } from "#signaling/sip-port/sip-port.ts";
import type { CallCache } from "./call-cache.ts";
import type { CallRunner, Job } from "./call-runner.ts";
import type { Journal } from "./journal.ts";
import { nextWake } from "./schedule.ts";
import { resendAll } from "./wake.ts";

/** Records that are compared at once. */
const PARALLEL = 64;

export interface AftermathOptions {
  readonly instance: string;
  readonly cache: CallCache;
  readonly runner: Pick<CallRunner, "run">;
  readonly journal: Pick<Journal, "holds">;
  readonly start: (job: Job) => void;
  /** Has the deadlines of a call looked at, soon. */
  readonly look: (call: CallId) => void;
  readonly now: () => number;
}

/** What is done once Redis is back: in calls of which it has lost something, and in those of which it did more than it could say. */
export class Aftermath {
  private readonly options: AftermathOptions;
  /** Calls of which a step was committed without anything that follows it, while something else is to be done in them first. */
  private readonly unfinished = new Set<CallId>();
  private restoring: Promise<void> | undefined;

  constructor(options: AftermathOptions) {
    this.options = options;
  }

  /** True while records are compared: what is known of them is needed. */
  get busy(): boolean {
    return this.restoring !== undefined;
  }

  /** Looks for calls of which Redis has lost the latest steps, and writes again what is known of them here. */
  restore(): void {
    this.restoring ??= this.restoreAll().finally(() => {
      this.restoring = undefined;
    });
  }

  /** A step whose commit had no reply was done all the same: what was to follow is done now, as for a call that is adopted. */
  landed(call: CallId): void {
    const { instance, journal, start } = this.options;
    if (journal.holds(call)) {
      this.unfinished.add(call);
      return;
    }
    start({
      call,
      read: "cached",
      decide(draft) {
        if (draft.record.worker !== instance) return undefined;
        resendAll(draft);
        return { recover: true };
      },
    });
  }

  /** All that was promised of a call is done: its deadlines count again. */
  released(call: CallId): void {
    if (this.unfinished.delete(call)) this.landed(call);
    const { cache, now, look } = this.options;
    const copy = cache.get(call)?.copy;
    if (copy === "absent") return;
    if (copy === undefined || nextWake(copy.body.record, now()) !== undefined) look(call);
  }

  private async restoreAll(): Promise<void> {
    const { cache, runner } = this.options;
    const calls = [...cache.names()].filter((call) => typeof cache.get(call)?.copy === "object");
    for (let first = 0; first < calls.length; first += PARALLEL)
      await Promise.all(
        calls.slice(first, first + PARALLEL).map((call) =>
          // Away again: it is compared when Redis is back the next time.
          runner.run({ call, read: "reload", decide: () => undefined }).catch(() => undefined),
        ),
      );
  }
}
