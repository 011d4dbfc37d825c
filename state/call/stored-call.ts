import { callKey, type CallSpace } from "./call.keys.ts";

const REVISION_LENGTH = 8;
const REVISIONS = 36 ** 4;

/** A record as it stands in Redis: any text, and the revision that guards it. */
export interface StoredCall {
  /** 8 characters, different for each commit of a record whoever makes it. */
  readonly revision: string;
  readonly body: string;
}

/** The one command that reading needs. */
export interface GetClient {
  get(key: string): Promise<string | null>;
}

/** Splits a stored value; undefined when there is none. */
export function openRecord(value: string | null | undefined): StoredCall | undefined {
  if (value === null || value === undefined) return undefined;
  return { revision: value.slice(0, REVISION_LENGTH), body: value.slice(REVISION_LENGTH) };
}

/** Reads the record of a call. */
export const loadCall = async (
  redis: GetClient,
  call: string,
  space?: CallSpace,
): Promise<StoredCall | undefined> => openRecord(await redis.get(callKey(call, space)));

/**
 * Makes revisions: a part of the process's own, then a count. Two commits never carry the same one, so a commit that is
 * sent twice is recognised as one.
 *
 * @param origin uniform in [0, 1)
 */
export function revisions(origin: number): () => string {
  const prefix = Math.floor(origin * REVISIONS)
    .toString(36)
    .padStart(4, "0");
  let count = 0;
  return () => {
    count = (count + 1) % REVISIONS;
    return prefix + count.toString(36).padStart(4, "0");
  };
}
