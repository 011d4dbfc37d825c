import type { Config } from "#common/config.ts";
import type { Logger } from "#common/log.ts";
import type { MediaRequest } from "./media-request.ts";
import { emptyGroup } from "./messages.ts";
import { ThreadHandle, type ThreadNews } from "./thread-handle.ts";

/** Legs of one thread that count as full load: half of what one core was measured to carry. */
const FULL_THREAD_LEGS = 1_000;
/** A thread that died is started again after this long, in ms, so that a failing one does not take the process along. */
const RESTART_MS = 500;

export interface PoolOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly instance: string;
  readonly count: number;
  readonly news: (news: ThreadNews) => void;
}

interface Slot {
  readonly index: number;
  handle: ThreadHandle;
  /** Leg ids by group. */
  readonly groups: Map<string, Set<string>>;
}

/** The threads of a media process: a group lives on one of them, chosen when its first leg comes. */
export class ThreadPool {
  readonly #options: PoolOptions;
  readonly #slots: Slot[];
  readonly #legs = new Map<string, { readonly slot: Slot; readonly group: string }>();
  readonly #restarts = new Set<NodeJS.Timeout>();
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      index,
      handle: this.#start(index),
      groups: new Map(),
    }));
  }

  async ready(): Promise<void> {
    await Promise.all(this.#slots.map(({ handle }) => handle.ready()));
  }

  knows(leg: string): boolean {
    return this.#legs.has(leg);
  }

  /** Groups that somebody is in. */
  groups(): string[] {
    return this.#slots.flatMap(({ groups }) => [...groups.keys()]);
  }

  size(): number {
    return this.#legs.size;
  }

  /** 0 idle to 1 full. */
  load(): number {
    return Math.min(1, this.#legs.size / (FULL_THREAD_LEGS * this.#slots.length));
  }

  async metrics(): Promise<object[]> {
    const read = await Promise.all(
      this.#slots.map(({ handle }) => handle.run({ do: "metrics" }).catch(() => [])),
    );
    return read as object[];
  }

  /** @throws CrossbandError as the thread does */
  async run(request: MediaRequest): Promise<unknown> {
    switch (request.do) {
      case "put-leg": {
        const slot = this.#legs.get(request.leg)?.slot ?? this.#slotOf(request.request.group.id);
        this.#note(slot, request.request.group.id, request.leg);
        return slot.handle.run(request);
      }
      case "delete-leg":
      case "digit":
        return this.#legs.get(request.leg)?.slot.handle.run(request) ?? {};
      case "floor":
        return this.#slotOf(request.request.group).handle.run(request);
      case "snapshot":
        return this.#holding(request.group)?.handle.run(request) ?? emptyGroup(request.group);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#restarts) clearTimeout(timer);
    await Promise.all(this.#slots.map(({ handle }) => handle.close()));
  }

  #start(index: number): ThreadHandle {
    const { config, instance, count, log } = this.#options;
    const { from, to } = config.media.ports;
    const share = Math.floor((to - from + 1) / count / 2) * 2;
    const ports = {
      from: from + index * share,
      to: index === count - 1 ? to : from + (index + 1) * share - 1,
    };
    return new ThreadHandle(
      { config, instance, index, ports },
      {
        news: (news) => {
          this.#take(index, news);
        },
        died: (error) => {
          log.error({ thread: index, error: String(error) }, "media thread died");
          this.#replace(index);
        },
      },
    );
  }

  #holding(group: string): Slot | undefined {
    return this.#slots.find(({ groups }) => groups.has(group));
  }

  #slotOf(group: string): Slot {
    const legsOf = ({ groups }: Slot): number =>
      [...groups.values()].reduce((sum, legs) => sum + legs.size, 0);
    const [least] = [...this.#slots].sort((a, b) => legsOf(a) - legsOf(b));
    const slot = this.#holding(group) ?? least;
    if (!slot) throw new Error("a media process has at least one thread");
    return slot;
  }

  #note(slot: Slot, group: string, leg: string): void {
    const legs = slot.groups.get(group) ?? new Set();
    legs.add(leg);
    slot.groups.set(group, legs);
    this.#legs.set(leg, { slot, group });
  }

  #take(index: number, news: ThreadNews): void {
    const slot = this.#slots[index];
    if (slot && news.kind === "leg-gone") {
      // It may be in another group by now.
      if (this.#legs.get(news.leg)?.group === news.group) this.#legs.delete(news.leg);
      const legs = slot.groups.get(news.group);
      legs?.delete(news.leg);
      if (legs?.size === 0) slot.groups.delete(news.group);
    }
    this.#options.news(news);
  }

  /** The calls of a dead thread's legs must end or be set up again: signaling is told of each. */
  #replace(index: number): void {
    const slot = this.#slots[index];
    if (!slot || this.#closed) return;
    for (const [group, legs] of slot.groups) {
      for (const leg of legs) {
        this.#legs.delete(leg);
        this.#options.news({
          kind: "event",
          event: { type: "leg-ended", group, leg, reason: "media-failed" },
        });
      }
      this.#options.news({ kind: "changed", snapshot: emptyGroup(group) });
    }
    slot.groups.clear();
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      slot.handle = this.#start(index);
    }, RESTART_MS);
    this.#restarts.add(timer);
  }
}
