import { defineScript, type ScriptClient } from "#state/redis/script.ts";
import { callKey, cdrKey, dueKey, type CallSpace } from "./call.keys.ts";
import { openRecord, type StoredCall } from "./stored-call.ts";

export type CommitOutcome =
  | { readonly outcome: "committed" }
  /** Somebody was faster; `current` is what stands now, so that the retry needs no read. */
  | { readonly outcome: "conflict"; readonly current: StoredCall | undefined };

export interface CommitRequest {
  readonly call: string;
  /** Whose record; the edge's unless said. */
  readonly space?: CallSpace;
  /** Revision that was read; undefined when there was no record. */
  readonly expected: string | undefined;
  /** What to store; undefined deletes. */
  readonly next: StoredCall | undefined;
  /** The record goes by itself when nothing touches it for this long. */
  readonly ttlMs: number;
  /** When somebody must look at the call although no message came, epoch ms; undefined for never. */
  readonly dueAtMs: number | undefined;
  /** Call detail records, each a JSON object. */
  readonly details: readonly string[];
}

const script = defineScript({
  source: new URL("./commit-step.lua", import.meta.url),
  keys: ["record", "due", "details"],
  args: ["call", "expected", "value", "ttlMs", "dueAtMs", "details"],
  reply(raw): CommitOutcome {
    if (raw === "committed") return { outcome: "committed" };
    const [word, current] = raw as [string, string?];
    if (word !== "conflict") throw new Error(`commit-step.lua: unknown outcome ${word}`);
    return { outcome: "conflict", current: openRecord(current) };
  },
});

/**
 * Commits one step of one call: record, due time and detail records, all or nothing. A commit whose reply was lost may be
 * sent again: it then meets its own revision, which is told as committed.
 */
export async function commitStep(redis: ScriptClient, request: CommitRequest): Promise<CommitOutcome> {
  const { call, next } = request;
  const result = await script(
    redis,
    { record: callKey(call, request.space), due: dueKey(call, request.space), details: cdrKey(call) },
    {
      call,
      expected: request.expected ?? "",
      value: next === undefined ? "" : next.revision + next.body,
      ttlMs: Math.ceil(request.ttlMs),
      dueAtMs: request.dueAtMs === undefined ? "" : Math.ceil(request.dueAtMs),
      details: request.details.join("\n"),
    },
  );
  const ours =
    result.outcome === "conflict" && next !== undefined && result.current?.revision === next.revision;
  return ours ? { outcome: "committed" } : result;
}
