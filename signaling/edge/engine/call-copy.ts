import type { StoredCall } from "#state/call/stored-call.ts";
import { decodeBody, type CallBody } from "./record.ts";
import { ttlOf } from "./schedule.ts";

/** A record as this process has last read or written it. */
export interface CallCopy {
  /** What guards the record in Redis; undefined when there is none. */
  readonly revision: string | undefined;
  readonly body: CallBody;
  /** When Redis had it so, epoch ms. */
  readonly atMs: number;
  /** Detail records of its latest steps, as far as they were written here. */
  readonly details: readonly (readonly [step: number, detail: string])[];
  /** Set when Redis has gone back behind it, to this step; 0 when it has none. It is to be written again. */
  readonly lostSince?: number;
}

export type KnownCopy = CallCopy | "absent";

/** Detail records that are remembered of a call: it has one, rarely two. */
const MAX_DETAILS = 4;

const stepsOf = ({ record }: CallBody): number => record.steps ?? 0;

/** The copy after a commit. */
export function committedCopy(
  before: KnownCopy | undefined,
  revision: string,
  body: CallBody,
  details: readonly string[],
  atMs: number,
): CallCopy {
  const step = stepsOf(body);
  const kept = typeof before === "object" ? before.details : [];
  const all = [...kept, ...details.map((detail) => [step, detail] as const)];
  return { revision, body, atMs, details: all.slice(-MAX_DETAILS) };
}

/**
 * What is known of a record once Redis was asked for it. Replication is asynchronous: a master that takes the place of another
 * may not have what that one acknowledged last. Whoever has a later copy than Redis keeps it, on top of what is there.
 */
export function reconcile(
  known: KnownCopy | undefined,
  stored: StoredCall | undefined,
  nowMs: number,
): KnownCopy {
  if (typeof known !== "object") return stored ? readCopy(stored, decodeBody(stored.body), nowMs) : "absent";
  if (!stored) {
    // What nobody has touched for long enough goes by itself.
    const expired = nowMs - known.atMs >= ttlOf(known.body.record);
    return expired ? "absent" : { ...known, revision: undefined, lostSince: 0 };
  }
  // What was found lost has that revision, and is lost still.
  if (stored.revision === known.revision)
    return known.lostSince === undefined ? { ...known, atMs: nowMs } : known;
  const body = decodeBody(stored.body);
  const since = stepsOf(body);
  return since < stepsOf(known.body)
    ? { ...known, revision: stored.revision, lostSince: since }
    : readCopy(stored, body, nowMs);
}

/** Detail records that Redis has lost with the steps behind the one it has. */
export const lostDetails = ({ details, lostSince }: CallCopy): readonly string[] =>
  lostSince === undefined ? [] : details.filter(([step]) => step > lostSince).map(([, detail]) => detail);

const readCopy = ({ revision }: StoredCall, body: CallBody, atMs: number): CallCopy => ({
  revision,
  body,
  atMs,
  details: [],
});
