import type { CallId } from "#signaling/sip-port/sip-port.ts";
import type { KnownCopy } from "./call-copy.ts";
import type { CallRecord } from "./record.ts";

/** What this process remembers of a call: a copy that its revision protects, and the work that waits for its turn. */
export interface CachedCall {
  readonly call: CallId;
  /** The record as last read or written; `absent` when there was none; undefined when nothing is known of it. */
  copy: KnownCopy | undefined;
  /** Redis must be asked before the copy is used: a commit had no reply, or the copy may be old. */
  stale: boolean;
  /** What the record has when a commit that had no reply was done all the same. */
  doubt?: string | undefined;
  busy: boolean;
  readonly waiting: (() => void)[];
  usedMs: number;
}

/** How long an unused copy stays: an answered call is quiet from its ACK on, and its BYE costs one read. */
const IDLE_MS = 4_000;

/** The calls that this process is working on, least recently used first. Bounded: the oldest idle ones go. */
export class CallCache {
  private readonly calls = new Map<CallId, CachedCall>();
  private readonly limit: number;

  constructor(limit = 20_000) {
    this.limit = limit;
  }

  get size(): number {
    return this.calls.size;
  }

  /** The records that are here. */
  *records(): Generator<CallRecord> {
    for (const { copy } of this.calls.values()) if (typeof copy === "object") yield copy.body.record;
  }

  /** The calls that are here. */
  names(): IterableIterator<CallId> {
    return this.calls.keys();
  }

  get(call: CallId): CachedCall | undefined {
    return this.calls.get(call);
  }

  /** The entry of a call, made when there is none. */
  use(call: CallId, nowMs: number): CachedCall {
    let entry = this.calls.get(call);
    if (entry) this.calls.delete(call);
    else entry = { call, copy: undefined, stale: false, busy: false, waiting: [], usedMs: nowMs };
    this.calls.set(call, entry);
    entry.usedMs = nowMs;
    if (this.calls.size > this.limit) this.evict(1, Infinity);
    return entry;
  }

  drop(entry: CachedCall): void {
    if (!entry.busy) this.calls.delete(entry.call);
  }

  /** Drops what has not been used for a few seconds. */
  sweep(nowMs: number): void {
    this.evict(this.calls.size, nowMs - IDLE_MS);
  }

  private evict(count: number, beforeMs: number): void {
    for (const entry of this.calls.values()) {
      if (count === 0 || entry.usedMs > beforeMs) return;
      if (entry.busy) continue;
      this.calls.delete(entry.call);
      count--;
    }
  }
}
