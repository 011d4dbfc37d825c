import type { CallRecord } from "./record.ts";
import { isUnstable } from "./schedule.ts";

/** What an instance sent in a step, and what it asked of others, has arrived after so long, or will not, in ms. */
const FORMER_MS = 10_000;
/** More instances than that do not share one call within such a time; the oldest are forgotten. */
const MAX_FORMER = 8;

/**
 * The record in the hands of the instance that commits it: its worker, which wakes for the call from then on. The worker before
 * it has perhaps not sent everything yet, or awaits an answer of the media tier: it stays on record for a while, so that its
 * death is not missed because somebody else was faster.
 */
export function handedTo(record: CallRecord, worker: string, nowMs: number): CallRecord {
  const { former, ...rest } = record;
  const passes = record.worker !== worker && record.worker !== "";
  if (!passes && !former) return record.worker === worker ? record : { ...record, worker };
  const all = passes ? { ...former, [record.worker]: nowMs } : { ...former };
  const names = lately(all, nowMs).filter((name) => name !== worker);
  const busy = isUnstable(record) || Object.keys(record.timers).length > 0;
  if (names.length === 0 || !busy) return { ...rest, worker };
  const kept = names.slice(-MAX_FORMER).map((name) => [name, all[name] ?? nowMs] as const);
  return { ...rest, worker, former: Object.fromEntries(kept) };
}

/**
 * The record as `me` adopts it from those who are dead: the worker, or one that had the call in hand shortly before it.
 * Undefined when nobody who matters is.
 */
export function adoptedBy(
  me: string,
  record: CallRecord,
  alive: (instance: string) => boolean,
  nowMs: number,
): { readonly record: CallRecord; readonly from: string } | undefined {
  const { worker, former = {} } = record;
  const isGone = (instance: string): boolean => instance !== me && !alive(instance);
  const gone = [worker, ...lately(former, nowMs)].filter(isGone);
  const [from] = gone;
  if (from === undefined) return undefined;
  const left = Object.entries(former).filter(([name]) => !gone.includes(name));
  const next = { ...record, former: Object.fromEntries(left) };
  // A worker that lives is one of those before us from now on.
  return { record: isGone(worker) ? { ...next, worker: me } : next, from };
}

/** The record as an instance that leaves has handed it over: nothing of it is under way there any more. */
export function givenUpBy(instance: string, record: CallRecord, heir: string): CallRecord {
  const { former, ...rest } = record;
  const worker = rest.worker === instance ? heir : rest.worker;
  if (former?.[instance] === undefined) return worker === rest.worker ? record : { ...record, worker };
  return {
    ...rest,
    worker,
    former: Object.fromEntries(Object.entries(former).filter(([name]) => name !== instance)),
  };
}

/** Those who are on record since not too long ago, the oldest first. */
const lately = (former: NonNullable<CallRecord["former"]>, nowMs: number): string[] =>
  Object.entries(former)
    .filter(([, atMs]) => nowMs - atMs < FORMER_MS)
    .sort(([, a], [, b]) => a - b)
    .map(([name]) => name);
