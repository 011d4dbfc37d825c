import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { calm } from "#common/calm.ts";
import type { Logger } from "#common/log.ts";
import { forgetDue } from "#state/call/forget-due.ts";
import type { SipUri } from "#signaling/edge/message/uri.ts";
import type { Transports } from "#signaling/edge/transport/transport.ts";
import {
  type CallId,
  type Flow,
  type SipHandler,
  type SipPort,
  type Step,
} from "#signaling/sip-port/sip-port.ts";
import { Aftermath } from "./aftermath.ts";
import { CallCache, type CachedCall } from "./call-cache.ts";
import { CallRunner, type CallStore, type Job } from "./call-runner.ts";
import type { Draft, Follow, Outgoing, StepContext } from "./draft.ts";
import { isCallId } from "./ids.ts";
import { LostFlows, silentIn, type Silent, type Whereabouts } from "./lost-flows.ts";
import type { HandOver } from "./hand-over.ts";
import { Journal } from "./journal.ts";
import type { EdgeMetrics } from "./metrics.ts";
import type { CallRecord } from "./record.ts";
import { Reception } from "./reception.ts";
import { ServerFlows } from "./server-flows.ts";
import { isPending, nextWake, transactionsOf } from "./schedule.ts";
import { markOf, resendAll, wake } from "./wake.ts";
import type { EngineStep } from "./step.ts";
import { systemTicker, Wheel, type Ticker } from "./wheel.ts";
import { NO_WITNESS, type Witness } from "./witness.ts";
import { adoptedBy, givenUpBy } from "./workers.ts";

export interface EngineOptions {
  readonly instance: string;
  /** The cluster's secret: call ids follow from it. */
  readonly secret: string;
  readonly redis: CallStore;
  readonly transports: Pick<
    Transports,
    "send" | "onMessage" | "onFlowClosed" | "resolve" | "advertised" | "forCluster"
  >;
  readonly whereabouts: Whereabouts;
  /** Methods that whoever handles the calls serves, as Allow lists them; the edge's own unless said. */
  readonly allow?: string | undefined;
  readonly log: Logger;
  readonly metrics: EdgeMetrics;
  /** Told of every message and mark of a call. */
  readonly witness?: Witness;
  /** How long a timed dialog lives without a sign of life; without it none is timed. */
  readonly session?: StepContext["session"];
  readonly now?: () => number;
  readonly ticker?: Ticker;
}

/** How often idle copies are looked for, in ms. */
const SWEEP_MS = 5_000;
/** Wheel name of that; call ids are longer. */
const SWEEP = "sweep";
/** When a deadline could not be dealt with, it is tried again after so long, in ms. */
const RETRY_MS = 1_000;
/** How long `close` waits for steps under way, in ms. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * The SIP server behind the sockets. It owns no call: what a message means is found by the ids in the message, what is known
 * of its call is read from Redis, and nothing is sent before the step that sends it has been committed there.
 */
export class Engine implements SipPort {
  private readonly options: EngineOptions;
  private readonly metrics: EdgeMetrics;
  private readonly witness: Witness;
  private readonly cache = new CallCache();
  private readonly wheel: Wheel;
  private readonly runner: CallRunner;
  private readonly reception: Reception;
  private readonly servers: ServerFlows;
  private readonly lost: LostFlows;
  private readonly journal: Journal;
  private readonly aftermath: Aftermath;
  /** Deadlines that could not be dealt with, by call, from the first on. */
  private readonly missed = new Map<CallId, number>();
  private readonly now: () => number;
  private readonly advertisedFor: StepContext["advertised"];
  private leaving: HandOver | undefined;
  private closed = false;
  /** With Redis away every message fails: one line a second says so as well as a thousand. */
  private readonly warnNotDone = calm((keptBack, error: unknown, call: CallId) => {
    this.options.log.warn({ error, call, keptBack }, "step not done");
  });

  constructor(options: EngineOptions) {
    this.options = options;
    this.now = options.now ?? Date.now;
    this.metrics = options.metrics;
    this.witness = options.witness ?? NO_WITNESS;
    this.advertisedFor = (transport) => options.transports.advertised(transport);
    this.wheel = new Wheel((name, atMs) => { this.onWheel(name, atMs); }, this.now, options.ticker ?? systemTicker); // prettier-ignore
    const worker = (): string => this.worker;
    this.runner = new CallRunner({
      get instance() { return worker(); }, // prettier-ignore
      redis: options.redis,
      cache: this.cache,
      context: () => this.context(),
      resolve: (draft) => this.lookUp(draft),
      metrics: this.metrics,
      witness: this.witness,
      log: options.log,
      send: (call, message) => { this.send(call, message); }, // prettier-ignore
      settled: (entry, record) => { this.settled(entry, record); }, // prettier-ignore
      landed: (call) => { this.aftermath.landed(call); }, // prettier-ignore
      returned: () => { if (!this.closed) this.aftermath.restore(); }, // prettier-ignore
      unsure: (call) => { this.look(call, this.now()); }, // prettier-ignore
      followUp: (call, event) => { this.start({ call, read: "cached", decide: () => ({ event }) }); }, // prettier-ignore
      followed: (follows) => { this.noteAll(follows); }, // prettier-ignore
    });
    this.servers = new ServerFlows({ runner: this.runner, records: () => this.cache.records(), worker, resolve: (uri) => this.resolve(uri), metrics: this.metrics, log: options.log }); // prettier-ignore
    this.lost = new LostFlows({ runner: this.runner, whereabouts: options.whereabouts, servers: this.servers, metrics: this.metrics, log: options.log }); // prettier-ignore
    this.journal = new Journal({
      run: (job) => this.runner.run(job),
      now: this.now,
      dropped: (error) => {
        options.log.error({ error }, "not done though promised");
        this.metrics.dropped("not-committed");
      },
      settled: (call) => { this.aftermath.released(call); }, // prettier-ignore
    });
    this.aftermath = new Aftermath({
      instance: options.instance,
      cache: this.cache,
      runner: this.runner,
      journal: this.journal,
      start: (job) => { this.start(job); }, // prettier-ignore
      look: (call) => { this.look(call, this.now()); }, // prettier-ignore
      now: this.now,
    });
    this.reception = new Reception({
      secret: options.secret,
      runner: this.runner,
      cache: this.cache,
      context: () => this.context(),
      notDone: (error, call) => { this.notDone(error, call); }, // prettier-ignore
      journal: this.journal,
      send: (call, message) => { this.send(call, message); }, // prettier-ignore
      metrics: this.metrics,
      witness: this.witness,
      log: options.log,
    });
  }

  /** `host:port` that the cluster is known by over UDP. */
  get advertised(): string {
    return this.advertisedFor("udp");
  }

  get busy(): boolean {
    return this.runner.active > 0 || this.wheel.size > (this.wheel.has(SWEEP) ? 1 : 0);
  }

  /** True while a step is under way. */
  get working(): boolean {
    return this.runner.active > 0;
  }

  /** Unfinished transactions of the calls that this process works on, by kind. */
  transactionsInProgress(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const record of this.cache.records())
      if (record.worker === this.options.instance)
        for (const leg of Object.values(record.legs))
          for (const txn of transactionsOf(leg))
            if (isPending(txn)) counts[txn.kind] = (counts[txn.kind] ?? 0) + 1;
    return counts;
  }

  /** Calls whose record is cached here. */
  get cachedCalls(): number {
    return this.cache.size;
  }

  /** True when the call is cached here. */
  isKnown(call: CallId): boolean {
    return this.cache.get(call) !== undefined;
  }

  handle(handler: SipHandler): void {
    this.runner.handle(handler);
    this.options.transports.onMessage((message, flow) => {
      if (!this.closed) this.reception.receive(message, flow);
    });
    this.options.transports.onFlowClosed((flow) => {
      if (!this.closed) this.servers.closed(flow);
    });
  }

  /** The connection to Redis is new, and perhaps the Redis at its other end. */
  redisReturned(): void {
    this.runner.returned();
  }

  async begin(callId: CallId, work: (step: Step) => Promise<void>): Promise<void> {
    await this.perform(callId, work);
  }

  /** As `begin`, and tells what the step has sent. */
  perform(callId: CallId, work: (step: EngineStep) => Promise<void>): Promise<readonly Outgoing[]> {
    if (!isCallId(callId))
      return Promise.reject(new CrossbandError(ErrorCode.DialogUnknown, "not a call id", { callId }));
    return this.runner.run({ call: callId, read: "cached", decide: () => ({ work }) });
  }

  /**
   * Looks at a call that is in the due set: takes it over when its worker is dead, or one that had it shortly before; else
   * does what is overdue in it.
   *
   * @param alive whether an instance lives
   * @param seenMs when it was last seen alive, if ever
   */
  async adopt(
    call: CallId,
    alive: (instance: string) => boolean,
    seenMs: (instance: string) => number | undefined = () => undefined,
  ): Promise<void> {
    await this.runner.run({
      call,
      read: "reload",
      decide: (draft) => {
        if (draft.record.worker === "") {
          draft.effects.push(() => void forgetDue(this.options.redis, call).catch(() => undefined));
          return undefined;
        }
        const adopted = adoptedBy(this.options.instance, draft.record, alive, draft.context.nowMs);
        // The worker lives: it looks after retransmissions, and only what it has missed is done here.
        if (!adopted) return wake(draft, draft.context.nowMs);
        // From now on its timers are ours.
        const { record, from } = adopted;
        draft.record = record;
        const seen = seenMs(from);
        this.metrics.adopted(seen === undefined ? undefined : (this.now() - seen) / 1_000);
        draft.effects.push(() => { this.witness.mark(call, "adopted", from); }); // prettier-ignore
        resendAll(draft);
        return { recover: true };
      },
    });
  }

  /** Takes a call from an instance that leaves, or has just committed it in our name. */
  async takeOver(call: CallId, from: string): Promise<void> {
    await this.runner.run({
      call,
      read: "reload",
      decide: (draft) => {
        const { worker } = draft.record;
        if (worker !== from && worker !== this.options.instance) return undefined;
        draft.record = givenUpBy(from, draft.record, this.worker);
        this.metrics.takenOver();
        draft.effects.push(() => { this.witness.mark(call, "handed-over", from); }); // prettier-ignore
        // What it sent has left; what it asked of others may come back to nobody.
        return { recover: true };
      },
    });
  }

  /** From now on every call that is worked on here, and every deadline, is the heir's. */
  leave(handOver: HandOver): void {
    if (handOver.heir === undefined) return;
    this.leaving = handOver;
    for (const call of this.wheel.names()) if (call !== SWEEP) handOver.add(call);
  }

  /** In whose name steps are committed: who wakes for the call. */
  private get worker(): string {
    return this.leaving?.heir ?? this.options.instance;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    const deadline = this.now() + CLOSE_TIMEOUT_MS;
    while (this.runner.active > 0 && this.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10));
    this.journal.close();
    this.wheel.close();
  }

  private context(): StepContext {
    const { allow, session } = this.options;
    return {
      nowMs: this.now(),
      advertised: this.advertisedFor,
      forCluster: this.options.transports.forCluster,
      ...(allow !== undefined && { allow }),
      ...(session && { session }),
    };
  }

  private start(job: Job): void {
    this.runner.run(job).catch((error: unknown) => {
      this.notDone(error, job.call);
    });
  }

  private notDone(error: unknown, call: CallId): void {
    this.warnNotDone(error, call);
    this.metrics.dropped("not-committed");
  }

  private send(call: CallId, message: Outgoing): void {
    this.metrics.sent(message);
    this.witness.sent(call, message);
    this.options.transports.send(message.flow, message.text).catch((error: unknown) => {
      this.options.log.debug(
        { error, call, method: message.method, status: message.status },
        "message not sent",
      );
      this.metrics.dropped("transport");
      this.witness.mark(
        call,
        "not-sent",
        `${message.method} ${message.status === 0 ? "" : message.status}`.trimEnd(),
      );
      this.lost.failed(call, message, isOwnerGone(error)).catch((failure: unknown) => {
        this.options.log.warn({ error: failure, call }, "lost message not dealt with");
      });
    });
  }

  private noteAll(follows: readonly Follow[]): void {
    for (const follow of follows)
      this.options.whereabouts.note(follow).catch((error: unknown) => {
        // Found all the same when something is sent to it and fails.
        this.options.log.debug({ error: String(error), leg: follow.leg }, "follower not noted");
      });
  }

  /** Where a request to `uri` may be sent, best first. */
  resolve(uri: SipUri): Promise<readonly Flow[]> {
    return this.options.transports.resolve(uri);
  }

  private async lookUp(draft: Draft): Promise<void> {
    for (const lookup of draft.lookups.splice(0)) {
      const [flow, ...others] = await this.resolve(lookup.uri).catch(() => []);
      if (flow) lookup.write(flow, others);
      else lookup.fail();
    }
  }

  private settled(entry: CachedCall, record: CallRecord | undefined): void {
    const nowMs = this.now();
    entry.usedMs = nowMs;
    if (!this.wheel.has(SWEEP)) this.wheel.arm(SWEEP, nowMs + SWEEP_MS);
    // Whoever committed last wakes for the call: one process, not each that has seen it. What was promised is done before.
    const ours = record?.worker === this.options.instance && !this.journal.holds(entry.call);
    const at = ours ? nextWake(record, nowMs) : undefined;
    if (at === undefined) {
      if (record && record.worker === this.leaving?.heir) this.leaving.add(entry.call);
      this.wheel.disarm(entry.call);
      this.missed.delete(entry.call);
      if (!record) this.cache.drop(entry);
      return;
    }
    // What fell due within this tick has not had its turn yet.
    const armed = this.wheel.at(entry.call);
    if (armed === undefined || armed > nowMs) this.wheel.arm(entry.call, at);
  }

  /** Redis is away: what is due stays due, and what was perhaps committed is looked at. */
  private look(call: CallId, atMs: number): void {
    this.missed.set(call, atMs);
    this.wheel.arm(call, this.now() + RETRY_MS);
  }

  private onWheel(name: string, atMs: number): void {
    if (this.closed) return;
    if (name !== SWEEP) {
      if (!this.journal.holds(name)) this.wake(name, atMs);
      return;
    }
    // While Redis is away nobody knows what it will have lost.
    const { status = "ready" } = this.options.redis;
    if (status === "ready" && !this.runner.away && !this.aftermath.busy) this.cache.sweep(this.now());
    if (this.cache.size > 0) this.wheel.arm(SWEEP, this.now() + SWEEP_MS);
  }

  /** The record is read anew: the ACK or response that makes a retransmission idle may have met another instance. */
  private wake(call: CallId, atMs: number): void {
    const sinceMs = (this.missed.get(call) ?? atMs) - 1;
    this.missed.delete(call);
    let silent: readonly Silent[] = [];
    const decide = (draft: Draft) => {
      if (draft.record.worker !== this.options.instance) return undefined;
      const woken = wake(draft, sinceMs);
      silent = silentIn(draft);
      if (woken) draft.effects.push(() => { this.witness.mark(call, ...markOf(woken)); }); // prettier-ignore
      return woken;
    };
    const work = async (): Promise<void> => {
      await this.runner.run({ call, read: "reload", decide });
      await Promise.all(silent.map((one) => this.lost.silent(call, one)));
    };
    work().catch((error: unknown) => {
      this.warnNotDone(error, call);
      if (!this.closed) this.look(call, sinceMs + 1);
    });
  }
}

/** True when a message could not be handed over because the process that has its connection is dead. */
const isOwnerGone = (error: unknown): boolean =>
  error instanceof CrossbandError && error.context["owner"] === "gone";
