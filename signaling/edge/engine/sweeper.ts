import { everyBeat } from "#common/beat.ts";
import type { Logger } from "#common/log.ts";
import { dueKeys } from "#state/call/call.keys.ts";
import { firstDue, popDue } from "#state/call/pop-due.ts";
import type { InstanceCard } from "#state/instance/instance.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { CallId } from "#signaling/sip-port/sip-port.ts";
import type { EdgeMetrics } from "./metrics.ts";

/** How often the list of living instances is read, in ms: with the lease, this is how late a death is seen. */
const WATCH_MS = 500;
/** How often every bucket is looked at although nobody died, in ms. */
const PATROL_MS = 30_000;
/** A second look after a death, in ms: for what the dead instance committed in its last moments. */
const SECOND_LOOK_MS = 1_000;
/** How late a call must be before somebody else than its worker looks at it, in ms. */
const GRACE_MS = 500;
/** How long a call that was taken from the due set is left to its taker, in ms. */
const TAKEN_MS = 5_000;
/** Calls taken from a bucket at once; the next round takes the rest. */
const BATCH = 64;
/** Calls of a bucket that one take-over looks at; what is left is found when it is overdue. */
const MAX_TAKE_OVER = 10_000;
/** Commands under way at once. */
const PARALLEL = 64;

/** How long a dead instance is remembered, in ms, for measuring how late its calls are adopted. */
const REMEMBER_DEAD_MS = 3_600_000;

export interface SweeperOptions {
  readonly instance: string;
  readonly redis: RedisConnection;
  readonly log: Logger;
  readonly metrics: Pick<EdgeMetrics, "redisRoundTrip" | "dueLag">;
  readonly listInstances: () => Promise<readonly Pick<InstanceCard, "role" | "instance">[]>;
  /** `seenMs`: when an instance that is not alive was last seen. */
  readonly adopt: (
    call: CallId,
    alive: (instance: string) => boolean,
    seenMs: (instance: string) => number | undefined,
  ) => Promise<void>;
  readonly now?: () => number;
  /** The due set of each bucket; those of the edge's calls unless told otherwise. */
  readonly sets?: readonly string[];
}

/**
 * Looks after calls that nobody works on. The worker of a call fires its timers from memory; the due sets are for the time
 * after it. So a healthy cluster reads one list of instances twice a second, and the sets themselves only at the start,
 * when an instance has gone, when a bucket is known to hold something overdue, and once in PATROL_MS.
 */
export class Sweeper {
  private readonly options: SweeperOptions;
  private readonly sets: readonly string[];
  private alive: ReadonlySet<string> = new Set();
  /** Instances by when they were last alive; those of the last hour of deaths. */
  private readonly seenMs = new Map<string, number>();
  private readonly nextDue = new Map<number, number>();
  private patrolAtMs = 0;
  private running: Promise<void> | undefined;
  private readonly stopBeat: () => void;
  private closed = false;

  constructor(options: SweeperOptions) {
    this.options = options;
    this.sets = options.sets ?? dueKeys;
    this.stopBeat = everyBeat(WATCH_MS, () => {
      this.look();
    });
  }

  /** Looks at once: who is alive has just been read. */
  look(): void {
    if (this.closed) return;
    this.running ??= this.round().finally(() => {
      this.running = undefined;
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.stopBeat();
    await this.running;
  }

  private async round(): Promise<void> {
    try {
      await this.watch();
      const nowMs = this.now();
      if (nowMs >= this.patrolAtMs) {
        this.patrolAtMs = nowMs + PATROL_MS;
        await this.inspectAll();
      }
      const overdue = [...this.nextDue].filter(([, atMs]) => atMs + GRACE_MS <= this.now());
      for (const [bucket, atMs] of overdue) {
        this.options.metrics.dueLag((this.now() - atMs) / 1_000);
        await this.takeFrom(bucket);
      }
    } catch (error) {
      this.options.log.warn({ error: String(error) }, "sweep failed");
      this.patrolAtMs = 0;
    }
  }

  private async watch(): Promise<void> {
    const cards = await this.options.listInstances();
    const alive = new Set(
      cards.filter(({ role }) => role === "signaling" || role === "edge").map(({ instance }) => instance),
    );
    const gone = [...this.alive].filter((instance) => !alive.has(instance));
    this.alive = alive;
    const nowMs = this.now();
    for (const instance of alive) this.seenMs.set(instance, nowMs);
    for (const [instance, atMs] of this.seenMs) if (atMs < nowMs - REMEMBER_DEAD_MS) this.seenMs.delete(instance); // prettier-ignore
    if (gone.length === 0) return;
    this.options.log.info({ gone }, "instance gone: taking over its calls");
    this.patrolAtMs = Math.min(this.patrolAtMs, this.now() + SECOND_LOOK_MS);
    await this.takeOver();
  }

  /**
   * After a death every call with something due, now or soon (what is due later the patrol finds), is looked at, also those
   * that were taken a moment ago because their worker still lived. Each survivor does it, from another bucket on; a commit lets one of them have a call.
   */
  private async takeOver(): Promise<void> {
    const { sets } = this;
    const first = Math.floor(Math.random() * sets.length);
    const soonMs = this.now() + 3 * PATROL_MS;
    const keys = [...sets.slice(first), ...sets.slice(0, first)];
    for (let at = 0; at < keys.length && !this.closed; at += PARALLEL) {
      const read = keys
        .slice(at, at + PARALLEL)
        .map((key) => this.options.redis.zrangebyscore(key, "-inf", soonMs, "LIMIT", 0, MAX_TAKE_OVER));
      await this.adoptAll((await Promise.all(read)).flat());
    }
  }

  /** Learns when each bucket is due next. */
  private async inspectAll(): Promise<void> {
    for (let first = 0; first < this.sets.length && !this.closed; first += PARALLEL) {
      const keys = this.sets.slice(first, first + PARALLEL);
      await Promise.all(
        keys.map(async (key, i) => {
          this.remember(first + i, await firstDue(this.options.redis, key));
        }),
      );
    }
  }

  private async takeFrom(bucket: number): Promise<void> {
    const due = this.sets[bucket];
    if (due === undefined) return;
    let taken: readonly string[];
    do {
      this.options.metrics.redisRoundTrip("due");
      const result = await popDue(
        this.options.redis,
        { due },
        { graceMs: GRACE_MS, leaseMs: TAKEN_MS, limit: BATCH },
      );
      taken = result.calls;
      this.remember(bucket, result.nextAtMs);
      await this.adoptAll(taken);
    } while (taken.length === BATCH && !this.closed);
  }

  private async adoptAll(calls: readonly CallId[]): Promise<void> {
    for (let first = 0; first < calls.length; first += PARALLEL)
      await Promise.all(
        calls.slice(first, first + PARALLEL).map((call) =>
          this.options.adopt(
            call,
            (instance) => this.isAlive(instance),
            (instance) => this.seenMs.get(instance),
          ),
        ),
      );
  }

  /** Only what falls due before the next patrol has to be remembered. */
  private remember(bucket: number, atMs: number | undefined): void {
    if (atMs === undefined || atMs > this.patrolAtMs) this.nextDue.delete(bucket);
    else this.nextDue.set(bucket, atMs);
  }

  private isAlive(instance: string): boolean {
    return instance === this.options.instance || this.alive.has(instance);
  }

  private now(): number {
    return (this.options.now ?? Date.now)();
  }
}
