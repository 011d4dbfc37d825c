import { Worker } from "node:worker_threads";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
// The codec's native library must stay loaded in the main thread: it is unloaded with the last thread that uses it, and the
// end of that thread then crashes the process.
import "#media/bus/opus.ts";
import type { Command, ThreadData, ThreadMessage, ThreadRequest } from "./messages.ts";

/** News of a thread: everything but answers. */
export type ThreadNews = Exclude<ThreadMessage, { kind: "ready" | "answer" | "failure" }>;

export interface ThreadEvents {
  readonly news: (news: ThreadNews) => void;
  /** The thread ended without being asked to. */
  readonly died: (error: unknown) => void;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One media thread, seen from the process's main thread. */
export class ThreadHandle {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #ready = Promise.withResolvers<undefined>();
  #nextId = 1;
  #closing = false;
  #dead = false;

  constructor(data: ThreadData, events: ThreadEvents) {
    this.#worker = new Worker(new URL("./media.worker.ts", import.meta.url), { workerData: data });
    this.#ready.promise.catch(() => undefined);
    this.#worker.on("message", (message: ThreadMessage) => {
      this.#receive(message, events);
    });
    let cause: unknown;
    this.#worker.on("error", (error) => {
      cause = error;
    });
    this.#worker.on("exit", () => {
      this.#dead = true;
      const gone = new CrossbandError(ErrorCode.WorkerUnavailable, "the media thread ended", {}, { cause });
      this.#ready.reject(gone);
      for (const { reject } of this.#pending.values()) reject(gone);
      this.#pending.clear();
      if (!this.#closing) events.died(cause);
    });
  }

  /** Resolves when it takes legs. @throws CrossbandError WORKER_UNAVAILABLE when it ends before that */
  async ready(): Promise<void> {
    await this.#ready.promise;
  }

  /** @throws CrossbandError with the code and context of what went wrong in the thread */
  run(command: Command): Promise<unknown> {
    if (this.#dead)
      return Promise.reject(new CrossbandError(ErrorCode.WorkerUnavailable, "the media thread has ended"));
    const request: ThreadRequest = { id: this.#nextId++, command };
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject });
      this.#worker.postMessage(request);
    });
  }

  /** Closes its legs and ends it. Idempotent. */
  async close(): Promise<void> {
    if (this.#closing || this.#dead) return;
    this.#closing = true;
    await this.run({ do: "close" }).catch(() => undefined);
    await this.#worker.terminate();
  }

  #receive(message: ThreadMessage, { news }: ThreadEvents): void {
    switch (message.kind) {
      case "ready":
        this.#ready.resolve(undefined);
        return;
      case "answer":
        this.#settle(message.id)?.resolve(message.value);
        return;
      case "failure":
        this.#settle(message.id)?.reject(
          new CrossbandError(codeOf(message.code), message.message, { ...message.context }),
        );
        return;
      case "event":
      case "changed":
      case "leg-gone":
      case "group-gone":
        news(message);
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}

const codes = new Set<string>(Object.values(ErrorCode));
const isCode = (code: string): code is ErrorCode => codes.has(code);
const codeOf = (code: string): ErrorCode => (isCode(code) ? code : ErrorCode.WorkerUnavailable);
