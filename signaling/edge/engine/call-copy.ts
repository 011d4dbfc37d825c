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
  /** Set when Redis has gone back behind it, to this step; 0 when it has none. It is to be written again. */
  readonly lostSince?: number;
}

export type KnownCopy = CallCopy | "absent";

const stepsOf = ({ record }: CallBody): number => record.steps ?? 0;

/**
 * What is known of a record once Redis was asked for it. Replication is asynchronous: a master that takes the place of another
 * may not have what that one acknowledged last. Whoever has a later copy than Redis keeps it, on top of what is there.
 */
export function reconcile(
  known: KnownCopy | undefined,
  stored: StoredCall | undefined,
  nowMs: number,
): KnownCopy {
  if (typeof known !== "object")
    return stored ? { revision: stored.revision, body: decodeBody(stored.body), atMs: nowMs } : "absent";
  if (!stored) {
    // What nobody has touched for long enough goes by itself.
    const expired = nowMs - known.atMs >= ttlOf(known.body.record);
    return expired ? "absent" : { ...known, revision: undefined, lostSince: 0 };
  }
  const { revision } = stored;
  // What was found lost has that revision, and is lost still.
  if (revision === known.revision) return known.lostSince === undefined ? { ...known, atMs: nowMs } : known;
  const body = decodeBody(stored.body);
  const since = stepsOf(body);
  return since < stepsOf(known.body)
    ? { ...known, revision, lostSince: since }
    : { revision, body, atMs: nowMs };
}

/** Detail records that Redis has lost with the steps behind the one it has. */
export function lostDetails({ body, lostSince }: CallCopy): readonly string[] {
  if (lostSince === undefined) return [];
  return (body.record.details ?? []).filter(([step]) => step > lostSince).map(([, detail]) => detail);
}
