import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { commitStep } from "#state/call/commit-step.ts";
import { loadCall, revisions, type StoredCall } from "#state/call/stored-call.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { CallId, LegId, SipCommand, Step } from "#signaling/sip-port/sip-port.ts";

/** Call control's record of one call: its state, its timers, and who worked on it last. Plain JSON. */
export interface ControlRecord {
  readonly worker: string;
  /** Undefined when call control keeps nothing. */
  readonly state?: unknown;
  readonly timers: Readonly<Record<string, number>>;
  readonly ttlMs?: number;
  /** Whose credentials answer the challenges of a leg's peer. */
  readonly accounts?: Readonly<Record<LegId, string>>;
}

export interface StepResult {
  readonly commands: readonly SipCommand[];
  readonly effects: readonly (() => void)[];
  /** The record after the step; undefined when there is none. */
  readonly record: ControlRecord | undefined;
  /** As in the record; what ends with the step knows them too. */
  readonly accounts: () => ControlRecord["accounts"];
}

/** A timer of a request whose peer may say nothing only so long: the server's protocol knows no such limit. */
const PATIENCE = "patience ";
export const patienceOf = (leg: LegId, method: string): string => `${PATIENCE}${method} ${leg}`;

/** The request that such a timer is of; undefined for one of call control. */
export function impatientIn(timer: string): { readonly method: string; readonly leg: LegId } | undefined {
  const [method, leg] = timer.startsWith(PATIENCE) ? timer.slice(PATIENCE.length).split(" ") : [];
  return method !== undefined && leg !== undefined ? { method, leg } : undefined;
}

/** A step that lost this many races is given up. */
const MAX_ATTEMPTS = 5;
const DEFAULT_TTL_MS = 86_400_000;
/** How often a call is looked at that has nothing to do, in ms. */
const LOOK_MS = 60_000;
const revision = revisions(Math.random());

/**
 * Reads a call's record, lets `work` decide, and commits before anything is sent; all again when another process was faster.
 *
 * @throws CrossbandError STATE_UNAVAILABLE when it could not be committed
 */
export async function runStep(
  redis: RedisConnection,
  callId: CallId,
  worker: string,
  work: (step: Step, before: ControlRecord | undefined) => Promise<void>,
): Promise<StepResult> {
  let stored = await loadCall(redis, callId, "control");
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const before = stored && (JSON.parse(stored.body) as ControlRecord);
    const draft = createDraft(callId, before);
    await work(draft.step, before);
    if (!draft.changed()) return { ...draft, record: before };
    await Promise.all(draft.ahead.map((effect) => effect()));
    const after = draft.record(worker);
    const next: StoredCall | undefined = after && { revision: revision(), body: JSON.stringify(after) };
    const result = await commitStep(redis, {
      call: callId,
      space: "control",
      expected: stored?.revision,
      next,
      ttlMs: after?.ttlMs ?? DEFAULT_TTL_MS,
      dueAtMs: after && dueOf(after),
      details: draft.details,
    });
    if (result.outcome === "committed") return { ...draft, record: after };
    stored = result.current;
  }
  throw new CrossbandError(ErrorCode.StateUnavailable, "step lost every race", { callId });
}

/**
 * When somebody must look at the call: at its next timer, and once a minute in any case, because what a call is busy with is
 * known to the server alone: when its worker dies it is found by that.
 */
function dueOf({ timers }: ControlRecord): number {
  return Math.min(...Object.values(timers), Date.now() + LOOK_MS);
}

function createDraft(callId: CallId, before: ControlRecord | undefined) {
  const commands: SipCommand[] = [];
  const ahead: (() => Promise<void>)[] = [];
  const effects: (() => void)[] = [];
  const details: string[] = [];
  let state = before?.state;
  let timers = before?.timers ?? {};
  let ttlMs = before?.ttlMs;
  let accounts = before?.accounts;
  let touched = false;
  const step: Step = {
    callId,
    load: <State>() => Promise.resolve(structuredClone(state) as State | undefined),
    save(value, ttl) {
      state = value;
      ttlMs = ttl ?? ttlMs;
      touched = true;
    },
    command(command) {
      commands.push(command);
      if (command.type === "request" && command.patienceMs !== undefined)
        step.timer(patienceOf(command.leg, command.method), Date.now() + command.patienceMs);
      const account = command.type === "account" || command.type === "request" ? command.account : undefined;
      if (account !== undefined && "leg" in command) accounts = { ...accounts, [command.leg]: account };
    },
    // The server keeps its dialogs to itself.
    dialog: () => undefined,
    cdr(record) {
      details.push(JSON.stringify(record));
    },
    timer(name, atMs) {
      const others = Object.entries(timers).filter(([other]) => other !== name);
      timers = Object.fromEntries(atMs === undefined ? others : [...others, [name, Math.ceil(atMs)]]);
      touched = true;
    },
    ahead(effect) {
      ahead.push(effect);
    },
    after(effect) {
      effects.push(effect);
    },
  };
  return {
    step,
    commands,
    ahead,
    effects,
    details,
    accounts: () => accounts,
    changed: () => touched || details.length > 0,
    record(worker: string): ControlRecord | undefined {
      if (state === undefined && Object.keys(timers).length === 0) return undefined;
      return {
        worker,
        state,
        timers,
        ...(ttlMs === undefined ? {} : { ttlMs }),
        ...(accounts && { accounts }),
      };
    },
  };
}
