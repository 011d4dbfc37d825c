import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { commitStep } from "#state/call/commit-step.ts";
import { loadCall, revisions, type GetClient } from "#state/call/stored-call.ts";
import type { ZremClient } from "#state/call/forget-due.ts";
import { redisErrorKind, type RedisErrorKind } from "#state/redis/error-kind.ts";
import type { ScriptClient } from "#state/redis/script.ts";
import type { CallId, SipEvent, SipHandler } from "#signaling/sip-port/sip-port.ts";
import type { CachedCall, CallCache } from "./call-cache.ts";
import { lostDetails, reconcile } from "./call-copy.ts";
import { Draft, type Follow, type Outgoing, type StepContext } from "./draft.ts";
import type { EdgeMetrics } from "./metrics.ts";
import { settleRequest } from "./receive-request.ts";
import { emptyCall, encodeBody, type CallBody, type CallRecord } from "./record.ts";
import { answer } from "./respond.ts";
import { dueAt, prune, ttlOf } from "./schedule.ts";
import type { Witness } from "./witness.ts";
import { handedTo } from "./workers.ts";
import { stepOf, type EngineStep } from "./step.ts";

/** What call control is asked to do in a step. */
export type Told =
  | { readonly event: SipEvent }
  | { readonly timer: string }
  | { readonly recover: true }
  | { readonly work: (step: EngineStep) => Promise<void> };

/** One step of one call. */
export interface Job {
  readonly call: CallId;
  /** `fresh`: most likely there is no record yet, and the commit tells if there is. `reload`: the copy may be old. */
  readonly read: "cached" | "fresh" | "reload";
  /** Changes the draft; pure, and done again when another instance was faster. */
  decide(draft: Draft): Told | undefined;
  /** True when nothing has to be remembered of what was decided. */
  forgettable?(draft: Draft): boolean;
}

/** The commands of Redis that the records of calls need. */
export type CallStore = ScriptClient &
  GetClient &
  ZremClient & {
    /** Of the connection: `ready` while it is there. */
    readonly status?: string;
  };

export interface CallRunnerOptions {
  readonly instance: string;
  readonly redis: CallStore;
  readonly cache: CallCache;
  readonly context: () => StepContext;
  readonly resolve: (draft: Draft) => Promise<void>;
  readonly metrics: EdgeMetrics;
  readonly witness: Pick<Witness, "mark">;
  readonly log: Logger;
  /** The step is committed: its messages leave now. */
  readonly send: (call: CallId, message: Outgoing) => void;
  /** The record as it stands after a step. */
  readonly settled: (entry: CachedCall, record: CallRecord | undefined) => void;
  /** Redis answers again. */
  readonly returned: () => void;
  /** A commit had no reply. */
  readonly unsure: (call: CallId) => void;
  /** It was done all the same: nothing of what was to follow it has been done. */
  readonly landed: (call: CallId) => void;
  readonly followUp: (call: CallId, event: SipEvent) => void;
  /** Legs that follow a registration, or do not any more. */
  readonly followed: (follows: readonly Follow[]) => void;
}

/** After Redis was away, records that it has lost are written again within this time by those who know them, in ms. */
const RETURN_MS = 1_000;
/** Failures after which another Redis may answer, or the same one with less than it had. */
const AWAY: ReadonlySet<RedisErrorKind> = new Set(["timeout", "connection", "read-only", "loading"]);
/** Detail records that are kept with a call: it has one, rarely two. */
const MAX_DETAILS = 4;
/** A step that lost this many races is given up; the peer sends its message again. */
const MAX_ATTEMPTS = 5;
/** Messages of one call that wait for their turn; more are dropped, their senders repeat them. */
const MAX_WAITING = 64;

/** Runs the steps of calls: one at a time for each call, each read, decided, committed, and only then sent. */
export class CallRunner {
  private handler: SipHandler | undefined;
  private working = 0;
  private unavailable = false;
  private returnedAt = -Infinity;
  private readonly options: CallRunnerOptions;
  private readonly nextRevision = revisions(Math.random());

  constructor(options: CallRunnerOptions) {
    this.options = options;
  }

  /** Steps under way. */
  get active(): number {
    return this.working;
  }

  /** True since Redis did not answer a command. */
  get away(): boolean {
    return this.unavailable;
  }

  handle(handler: SipHandler): void {
    this.handler = handler;
  }

  /** Redis is back, or another took its place: what it had acknowledged last may be gone. */
  returned(): void {
    this.unavailable = false;
    this.returnedAt = performance.now();
    this.options.returned();
  }

  /**
   * Runs a job when those before it on the same call are done; resolves with what it sent.
   *
   * @throws CrossbandError STATE_UNAVAILABLE when the step could not be committed, with the `revision` that it has if it was all
   *   the same; what call control threw, for `work`
   */
  async run(job: Job): Promise<readonly Outgoing[]> {
    const entry = this.options.cache.use(job.call, this.options.context().nowMs);
    if (entry.busy) {
      if (entry.waiting.length >= MAX_WAITING) {
        this.options.metrics.dropped("call-queue");
        throw new CrossbandError(ErrorCode.StateUnavailable, "too many messages wait for one call");
      }
      await new Promise<void>((resolve) => entry.waiting.push(resolve));
    }
    entry.busy = true;
    this.working++;
    try {
      return await this.perform(entry, job);
    } finally {
      this.working--;
      const next = entry.waiting.shift();
      // Busy passes on to the one that waits, so that nobody slips in between.
      if (next) next();
      else entry.busy = false;
    }
  }

  private async perform(entry: CachedCall, job: Job): Promise<readonly Outgoing[]> {
    if (job.read === "reload") entry.stale = true;
    else if (job.read === "fresh") entry.copy ??= "absent";
    let current = false;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      if (entry.copy === undefined || entry.stale) {
        await this.read(entry, job);
        current = true;
      }
      const draft = await this.decide(entry, job);
      if (job.forgettable?.(draft) === true) return this.finish(entry, draft, undefined);
      if (!draft.changed && !isLost(entry)) {
        // Only a commit proves that the copy was not old. What was decided without one is decided again on the record
        // itself, but for an answer that is merely repeated.
        if (current || draft.outgoing.some(({ retransmission }) => retransmission))
          return this.finish(entry, draft, undefined);
        entry.stale = true;
        continue;
      }
      const outcome = await this.commit(entry, draft);
      if (outcome) return this.finish(entry, draft, outcome);
      this.options.metrics.conflict();
      this.options.witness.mark(job.call, "conflict");
      current = true;
    }
    throw new CrossbandError(ErrorCode.StateUnavailable, "step lost every race", { attempts: MAX_ATTEMPTS });
  }

  private async read(entry: CachedCall, { read }: Job): Promise<void> {
    const unknown = entry.copy === undefined && read !== "fresh";
    this.options.metrics.redisRoundTrip("read");
    try {
      const stored = await loadCall(this.options.redis, entry.call);
      entry.copy = reconcile(entry.copy, stored, this.options.context().nowMs);
      if (stored && stored.revision === entry.doubt) this.options.landed(entry.call);
    } catch (cause) {
      throw this.failed(cause, "record not read");
    }
    entry.stale = false;
    entry.doubt = undefined;
    this.answered();
    // Whoever knows the record may be about to write it again.
    if (unknown && entry.copy === "absent" && performance.now() - this.returnedAt < RETURN_MS)
      throw new CrossbandError(ErrorCode.StateUnavailable, "record not there yet");
  }

  private failed(cause: unknown, message: string, context: Record<string, unknown> = {}): CrossbandError {
    this.unavailable ||= AWAY.has(redisErrorKind(cause));
    this.options.metrics.redisFailed(cause);
    return new CrossbandError(ErrorCode.StateUnavailable, message, context, { cause });
  }

  /** Redis has answered: what happened to it while it did not, nobody knows. */
  private answered(): void {
    if (this.unavailable) this.returned();
  }

  private async decide(entry: CachedCall, job: Job): Promise<Draft> {
    const [base, revision] = [baseOf(entry), revisionOf(entry)];
    let draft = new Draft(base, this.options.context(), revision);
    const told = job.decide(draft);
    if (told) {
      try {
        await this.tell(told, stepOf(draft));
      } catch (error) {
        if ("work" in told) throw error;
        this.options.metrics.handlerFailed();
        this.options.log.error({ error, call: job.call, told: nameOf(told) }, "call control failed");
        draft = new Draft(base, this.options.context(), revision);
        job.decide(draft);
        if ("event" in told) answerFailure(draft);
      }
    }
    draft.closed = true;
    if (draft.lookups.length > 0) await this.options.resolve(draft);
    settleRequest(draft);
    return draft;
  }

  private tell(told: Told, step: EngineStep): Promise<void> {
    if ("work" in told) return told.work(step);
    const { handler } = this;
    if (!handler) return Promise.reject(new Error("no call control attached"));
    if ("event" in told) return handler.onEvent(told.event, step);
    return "timer" in told ? handler.onTimer(told.timer, step) : handler.recover(step);
  }

  /** Undefined after a conflict; the entry then holds what the winner wrote, or its own later copy on top of that. */
  private async commit(entry: CachedCall, draft: Draft): Promise<CallBody | undefined> {
    const { context, redis, metrics, instance } = this.options;
    const { nowMs } = context();
    const known = entry.copy;
    const lost = typeof known === "object" ? lostDetails(known) : [];
    const body = { record: tidy(draft, instance, nowMs), state: draft.state };
    const revision = this.nextRevision();
    const startedAt = performance.now();
    metrics.redisRoundTrip("commit");
    try {
      if (draft.ahead.length > 0) await Promise.all(draft.ahead.map((effect) => effect()));
      const result = await commitStep(redis, {
        call: entry.call,
        expected: revisionOf(entry),
        next: { revision, body: encodeBody(body) },
        ttlMs: ttlOf(body.record),
        dueAtMs: dueAt(body.record, nowMs),
        details: [...lost, ...draft.details],
      });
      this.answered();
      if (result.outcome === "conflict") {
        entry.copy = reconcile(known, result.current, nowMs);
        entry.stale = false;
        return undefined;
      }
    } catch (cause) {
      // Perhaps it was written and only the reply was lost: read before the next step, and look whether its timers are ours.
      entry.stale = true;
      entry.doubt = revision;
      this.options.unsure(entry.call);
      throw this.failed(cause, "step not committed", { revision });
    }
    metrics.committed((performance.now() - startedAt) / 1_000);
    if (isLost(entry)) {
      metrics.restored();
      this.options.witness.mark(entry.call, "restored");
    }
    entry.copy = { revision, body, atMs: nowMs };
    return body;
  }

  private finish(entry: CachedCall, draft: Draft, committed: CallBody | undefined): readonly Outgoing[] {
    const { send, settled, followUp, followed, metrics, log } = this.options;
    for (const message of draft.outgoing) send(entry.call, message);
    if (draft.ended.length > 0) metrics.ended(draft.ended);
    settled(
      entry,
      committed?.record ?? (typeof entry.copy === "object" ? entry.copy.body.record : undefined),
    );
    for (const effect of draft.effects) {
      try {
        effect();
      } catch (error) {
        log.error({ error, call: entry.call }, "effect failed");
      }
    }
    if (draft.follows.length > 0) followed(draft.follows);
    for (const event of draft.followUps) followUp(entry.call, event);
    return draft.outgoing;
  }
}

/** Redis has gone back behind what is known here. */
const isLost = ({ copy }: CachedCall): boolean => typeof copy === "object" && copy.lostSince !== undefined;

const revisionOf = ({ copy }: CachedCall): string | undefined =>
  typeof copy === "object" ? copy.revision : undefined;

const baseOf = (entry: CachedCall): CallBody =>
  typeof entry.copy === "object" ? entry.copy.body : { record: emptyCall(entry.call), state: undefined };

/** The record as it is stored: under our name, without what nobody will ask for again. One that is only restored is the same step. */
function tidy({ record, changed, details }: Draft, worker: string, nowMs: number): CallRecord {
  const steps = (record.steps ?? 0) + (changed ? 1 : 0);
  const written = details.map((detail) => [steps, detail] as const);
  let { legs } = record;
  for (const [number, leg] of Object.entries(legs)) {
    const pruned = prune(leg, nowMs);
    if (pruned !== leg) legs = { ...legs, [number]: pruned };
  }
  const kept = written.length > 0 && { details: [...(record.details ?? []), ...written].slice(-MAX_DETAILS) };
  return handedTo({ ...record, steps, legs, ...kept }, worker, nowMs);
}

/** RFC 3261 §21.5.1: the request that call control fell over is answered all the same. */
function answerFailure(draft: Draft): void {
  const { request } = draft;
  const txn = request && draft.leg(request.number)?.servers.find(({ id }) => id === request.txn);
  if (request && txn) answer(draft, request.number, txn, { status: 500 });
}

const nameOf = (told: Told): string =>
  "event" in told ? told.event.type : "timer" in told ? `timer ${told.timer}` : "recover";
