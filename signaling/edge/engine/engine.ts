import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { forgetDue } from "#state/call/forget-due.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { SipUri } from "#signaling/edge/message/uri.ts";
import type { Transports } from "#signaling/edge/transport/transport.ts";
import {
  STATELESS_METHODS,
  type CallId,
  type Flow,
  type SipHandler,
  type SipPort,
  type Step,
} from "#signaling/sip-port/sip-port.ts";
import { CallCache, type CachedCall } from "./call-cache.ts";
import { CallRunner, type Job } from "./call-runner.ts";
import { Draft, type Outgoing, type StepContext } from "./draft.ts";
import { callIdOf, isCallId, parseBranch, parseLegId, type LegAddress } from "./ids.ts";
import type { EdgeMetrics } from "./metrics.ts";
import { keyOf, receiveRequest, refuse } from "./receive-request.ts";
import { receiveResponse } from "./receive-response.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { isUnstable, nextWake } from "./schedule.ts";
import { MergeGuard, screen } from "./screen.ts";
import { resendAll, transportFailed, wake } from "./wake.ts";
import { systemTicker, Wheel, type Ticker } from "./wheel.ts";

export interface EngineOptions {
  readonly instance: string;
  /** The cluster's secret: call ids follow from it. */
  readonly secret: string;
  readonly redis: RedisConnection;
  readonly transports: Pick<Transports, "send" | "onMessage" | "resolve" | "advertised">;
  readonly log: Logger;
  readonly metrics: EdgeMetrics;
  readonly now?: () => number;
  readonly ticker?: Ticker;
}

/** How often idle copies are looked for, in ms. */
const SWEEP_MS = 5_000;
/** Wheel name of that; call ids are longer. */
const SWEEP = "sweep";
/** When Redis is away a caller may try again after so many seconds. */
const RETRY_AFTER = [["Retry-After", "5"]] as const;
/** How long `close` waits for steps under way, in ms. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * The SIP server behind the sockets. It owns no call: what a message means is found by the ids in the message, what is known
 * of its call is read from Redis, and nothing is sent before the step that sends it has been committed there.
 */
export class Engine implements SipPort {
  private readonly options: EngineOptions;
  private readonly metrics: EdgeMetrics;
  private readonly cache = new CallCache();
  private readonly merged = new MergeGuard();
  private readonly wheel: Wheel;
  private readonly runner: CallRunner;
  private readonly now: () => number;
  private readonly advertisedFor: StepContext["advertised"];
  private closed = false;

  constructor(options: EngineOptions) {
    this.options = options;
    this.now = options.now ?? Date.now;
    this.metrics = options.metrics;
    this.advertisedFor = (transport) => options.transports.advertised(transport);
    this.wheel = new Wheel((name, atMs) => { this.onWheel(name, atMs); }, this.now, options.ticker ?? systemTicker); // prettier-ignore
    this.runner = new CallRunner({
      instance: options.instance,
      redis: options.redis,
      cache: this.cache,
      context: () => this.context(),
      resolve: (draft) => this.lookUp(draft),
      metrics: this.metrics,
      log: options.log,
      send: (call, message) => { this.send(call, message); }, // prettier-ignore
      settled: (entry, record) => { this.settled(entry, record); }, // prettier-ignore
      followUp: (call, event) => { this.start({ call, read: "cached", decide: () => ({ event }) }); }, // prettier-ignore
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

  /** Calls whose record is cached here. */
  get cachedCalls(): number {
    return this.cache.size;
  }

  handle(handler: SipHandler): void {
    this.runner.handle(handler);
    this.options.transports.onMessage((message, flow) => {
      this.receive(message, flow);
    });
  }

  async begin(callId: CallId, work: (step: Step) => Promise<void>): Promise<void> {
    await this.perform(callId, work);
  }

  /** As `begin`, and tells what the step has sent. */
  perform(callId: CallId, work: (step: Step) => Promise<void>): Promise<readonly Outgoing[]> {
    if (!isCallId(callId))
      return Promise.reject(new CrossbandError(ErrorCode.DialogUnknown, "not a call id", { callId }));
    return this.runner.run({ call: callId, read: "cached", decide: () => ({ work }) });
  }

  /**
   * Looks at a call that fell due in the due set: takes it over when its worker is dead and it is unfinished, else does
   * what is overdue in it.
   *
   * @param alive whether an instance lives
   */
  async adopt(call: CallId, alive: (instance: string) => boolean): Promise<void> {
    await this.runner.run({
      call,
      read: "reload",
      decide: (draft) => {
        if (draft.record.worker === "") {
          draft.effects.push(() => void forgetDue(this.options.redis, call).catch(() => undefined));
          return undefined;
        }
        const { worker } = draft.record;
        // The worker lives: it looks after retransmissions, and only what it has missed is done here.
        if (worker === this.options.instance || alive(worker)) return wake(draft, draft.context.nowMs);
        // From now on its timers are ours.
        draft.record = { ...draft.record, worker: this.options.instance };
        this.metrics.adopted();
        if (!isUnstable(draft.record)) return wake(draft, draft.context.nowMs);
        resendAll(draft);
        return { recover: true };
      },
    });
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    const deadline = this.now() + CLOSE_TIMEOUT_MS;
    while (this.runner.active > 0 && this.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10));
    this.wheel.close();
  }

  private context(): StepContext {
    return { nowMs: this.now(), advertised: this.advertisedFor };
  }

  private receive(message: SipMessage, flow: Flow): void {
    if (this.closed) return;
    this.metrics.received(message.method, message.status);
    if (message.kind === "response") this.receiveResponse(message);
    else this.receiveRequest(message, flow);
  }

  private receiveResponse(response: SipMessage): void {
    const address = parseBranch(response.topVia.branch);
    if (!address) {
      this.metrics.dropped("response-unknown");
      return;
    }
    this.start({
      call: address.call,
      read: "cached",
      decide: (draft) => {
        const event = receiveResponse(draft, address, response);
        return event && { event };
      },
    });
  }

  private receiveRequest(request: SipMessage, source: Flow): void {
    const address = this.addressOf(request);
    if (!address) {
      // A tag that is none of ours, so no dialog of ours (RFC 3261 §12.2.2); an ACK is never answered.
      if (request.method !== "ACK") this.refuseNow(this.initialAddress(request), request, source, 481);
      return;
    }
    const refusal = screen(request) ?? this.refuseMerged(request, address);
    if (refusal) {
      if (request.method !== "ACK") this.refuseNow(address, request, source, refusal.status, refusal.headers);
      return;
    }
    const initial = request.to.tag === undefined && request.method !== "CANCEL" && request.method !== "ACK";
    const stateless = initial && STATELESS_METHODS.has(request.method);
    const job: Job = {
      call: address.call,
      read: initial ? "fresh" : "cached",
      decide: (draft) => {
        const event = receiveRequest(draft, address.number, request, source);
        if (!event && draft.outgoing.some(({ retransmission }) => retransmission))
          this.metrics.retransmissionAbsorbed();
        return event && { event };
      },
      ...(stateless ? { forgettable: isAnswered } : {}),
    };
    this.runner.run(job).catch((error: unknown) => {
      this.notProcessed(error, address, request, source);
    });
  }

  /** The record that a request belongs to; undefined when its To-tag is none that we ever gave. */
  private addressOf(request: SipMessage): LegAddress | undefined {
    const tag = request.to.tag;
    return tag === undefined || request.method === "REGISTER"
      ? this.initialAddress(request)
      : parseLegId(tag);
  }

  private initialAddress(request: SipMessage): LegAddress {
    const { method } = request;
    const methodClass = method === "ACK" || method === "CANCEL" ? "INVITE" : method;
    return { call: callIdOf(this.options.secret, methodClass, keyOf(request)), number: 0 };
  }

  private refuseMerged(
    request: SipMessage,
    { call }: LegAddress,
  ): { status: number; headers?: undefined } | undefined {
    if (request.method !== "INVITE" || request.to.tag !== undefined) return undefined;
    const other = this.merged.other(request, call);
    const copy = other === undefined ? undefined : this.cache.get(other)?.copy;
    const first = typeof copy === "object" ? copy.body.record.legs[0]?.servers[0] : undefined;
    if (first?.kind === "invite-server" && first.state.name === "proceeding") return { status: 482 };
    if (other !== undefined) this.merged.replace(request, call);
    return undefined;
  }

  /** Answers from the request alone. */
  private refuseNow(
    { call, number }: LegAddress,
    request: SipMessage,
    source: Flow,
    status: number,
    headers?: readonly (readonly [string, string])[],
  ): void {
    const draft = new Draft({ record: emptyCall(call), state: "" }, this.context());
    refuse(draft, number, request, source, status, headers);
    for (const message of draft.outgoing) this.send(call, message);
  }

  /** A request whose step could not be committed: said so, but for a BYE, whose sender is gone in any case. */
  private notProcessed(error: unknown, address: LegAddress, request: SipMessage, source: Flow): void {
    const known = error instanceof CrossbandError && error.code === ErrorCode.StateUnavailable;
    this.options.log[known ? "warn" : "error"](
      { error, call: address.call, method: request.method },
      "request not processed",
    );
    this.metrics.dropped("not-committed");
    if (request.method === "ACK") return;
    if (request.method === "BYE") this.refuseNow(address, request, source, 200);
    else this.refuseNow(address, request, source, 503, RETRY_AFTER);
  }

  private start(job: Job): void {
    this.runner.run(job).catch((error: unknown) => {
      this.options.log.warn({ error, call: job.call }, "step not done");
      this.metrics.dropped("not-committed");
    });
  }

  private send(call: CallId, message: Outgoing): void {
    this.metrics.sent(message);
    this.options.transports.send(message.flow, message.text).catch((error: unknown) => {
      this.options.log.debug(
        { error, call, method: message.method, status: message.status },
        "message not sent",
      );
      this.metrics.dropped("transport");
      const { txn } = message;
      if (txn !== undefined) this.transportFailed(call, txn);
    });
  }

  private transportFailed(call: CallId, txn: string): void {
    this.start({
      call,
      read: "cached",
      decide: (draft) => {
        for (const number of Object.keys(draft.record.legs)) {
          const event = transportFailed(draft, Number(number), txn);
          if (event) return { event };
        }
        return undefined;
      },
    });
  }

  /** Where a request to `uri` may be sent, best first. */
  resolve(uri: SipUri): Promise<readonly Flow[]> {
    return this.options.transports.resolve(uri);
  }

  private async lookUp(draft: Draft): Promise<void> {
    for (const lookup of draft.lookups.splice(0)) {
      const [flow] = await this.resolve(lookup.uri).catch(() => []);
      if (flow) lookup.write(flow);
      else lookup.fail();
    }
  }

  private settled(entry: CachedCall, record: CallRecord | undefined): void {
    const nowMs = this.now();
    entry.usedMs = nowMs;
    if (!this.wheel.has(SWEEP)) this.wheel.arm(SWEEP, nowMs + SWEEP_MS);
    // Whoever committed last wakes for the call: one process, not each that has seen it.
    const at = record?.worker === this.options.instance ? nextWake(record, nowMs) : undefined;
    if (at === undefined) {
      this.wheel.disarm(entry.call);
      if (!record) this.cache.drop(entry);
      return;
    }
    this.wheel.arm(entry.call, at);
  }

  private onWheel(name: string, atMs: number): void {
    if (this.closed) return;
    if (name !== SWEEP) {
      this.wake(name, atMs);
      return;
    }
    this.cache.sweep(this.now());
    if (this.cache.size > 0) this.wheel.arm(SWEEP, this.now() + SWEEP_MS);
  }

  /** The record is read anew: the ACK or response that makes a retransmission idle may have met another instance. */
  private wake(call: CallId, atMs: number): void {
    this.start({
      call,
      read: "reload",
      decide: (draft) => (draft.record.worker === this.options.instance ? wake(draft, atMs - 1) : undefined),
    });
  }
}

/** True when a request was answered and nothing else came of it. */
function isAnswered(draft: Draft): boolean {
  const legs = Object.values(draft.record.legs);
  return (
    draft.state === "" &&
    draft.details.length === 0 &&
    Object.keys(draft.record.timers).length === 0 &&
    legs.every(
      ({ clients, servers }) =>
        clients.length === 0 && servers.every(({ state }) => state.name === "completed"),
    )
  );
}
