import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { calm } from "#common/calm.ts";
import type { Logger } from "#common/log.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { callOfRoute } from "#signaling/edge/proxy/forward.codec.ts";
import { proxyResponse } from "#signaling/edge/proxy/proxy-response.ts";
import { receiveProxied } from "#signaling/edge/proxy/receive-proxied.ts";
import { STATELESS_METHODS, type CallId, type Flow } from "#signaling/sip-port/sip-port.ts";
import type { CallCache } from "./call-cache.ts";
import type { CallRunner, Job } from "./call-runner.ts";
import { Draft, type Outgoing, type StepContext } from "./draft.ts";
import {
  callIdOf,
  isCallId,
  parseBranch,
  parseLegId,
  parseRefusal,
  refusalTag,
  type LegAddress,
} from "./ids.ts";
import type { EdgeMetrics } from "./metrics.ts";
import { isMerged, keyOf, originOf } from "./origin.ts";
import { receiveRequest, refuse } from "./receive-request.ts";
import { abandonInvite, takeRefusal, UNAVAILABLE } from "./abandon.ts";
import type { Journal } from "./journal.ts";
import { receiveResponse } from "./receive-response.ts";
import { emptyCall } from "./record.ts";
import { earlierTry } from "./said-again.ts";
import { screen } from "./screen.ts";
import type { Witness } from "./witness.ts";

export interface ReceptionOptions {
  /** The cluster's secret: call ids follow from it. */
  readonly secret: string;
  readonly runner: CallRunner;
  readonly cache: CallCache;
  readonly context: () => StepContext;
  /** A job of a message that is not answered could not be done. */
  readonly notDone: (error: unknown, call: CallId) => void;
  /** For what is to be done when Redis is back. */
  readonly journal: Pick<Journal, "add">;
  readonly send: (call: CallId, message: Outgoing) => void;
  readonly metrics: EdgeMetrics;
  readonly witness: Pick<Witness, "received">;
  readonly log: Logger;
}

/** A request that waited longer than this for its step is told with the time at which it came, in ms. */
const LATE_MS = 250;
/** Steps under way at which a process takes no new calls: a second's work that waits for Redis, or for call control. */
const MAX_ACTIVE = 1_000;

/** Finds the call that a message belongs to, and makes a job of it or answers from the message alone. */
export class Reception {
  private readonly options: ReceptionOptions;
  private readonly warnNotProcessed = calm((keptBack, error: unknown, method: string) => {
    this.options.log.warn({ error, method, keptBack }, "requests not processed");
  });

  constructor(options: ReceptionOptions) {
    this.options = options;
  }

  /** Takes one well-formed message. */
  receive(message: SipMessage, flow: Flow): void {
    this.options.metrics.received(message.method, message.status);
    if (message.kind === "response") this.receiveResponse(message, flow);
    else this.receiveRequest(message, flow);
  }

  private receiveResponse(response: SipMessage, source: Flow): void {
    const address = parseBranch(response.topVia.branch);
    if (!address) {
      this.options.metrics.dropped("response-unknown");
      return;
    }
    this.options.witness.received(address.call, response, source);
    const job: Job = {
      call: address.call,
      read: "cached",
      decide: (draft) => {
        const receive = draft.record.proxy ? proxyResponse : receiveResponse;
        const event = receive(draft, address, response);
        return event && { event };
      },
    };
    this.options.runner.run(job).catch((error: unknown) => {
      this.options.notDone(error, job.call);
      // Over TCP a final response is said once.
      if (isAway(error) && response.status >= 200)
        this.options.journal.add(`${response.topVia.branch ?? ""} ${response.status}`, job);
    });
  }

  private receiveRequest(request: SipMessage, source: Flow): void {
    const refused = request.method === "ACK" ? parseRefusal(request.to.tag) : undefined;
    if (refused) {
      this.receiveAckOfRefusal(refused, request, source);
      return;
    }
    const address = this.addressOf(request);
    if (!address) {
      // A tag that is none of ours, so no dialog of ours (RFC 3261 §12.2.2); an ACK is never answered.
      if (request.method !== "ACK") this.refuseNow(this.initialAddress(request), request, source, 481);
      return;
    }
    this.options.witness.received(address.call, request, source);
    const refusal = screen(request);
    if (refusal) {
      if (request.method !== "ACK") this.refuseNow(address, request, source, refusal.status, refusal.headers);
      return;
    }
    const initial = request.to.tag === undefined && request.method !== "CANCEL" && request.method !== "ACK";
    if (initial && this.options.runner.active >= MAX_ACTIVE && !this.options.cache.get(address.call)?.busy) {
      this.options.metrics.dropped("overload");
      this.refuseUnavailable(address, request, source);
      return;
    }
    const atMs = this.options.context().nowMs;
    const stateless = initial && STATELESS_METHODS.has(request.method);
    const job: Job = {
      call: address.call,
      read: initial ? "fresh" : "cached",
      decide: (draft) => {
        const { proxy } = draft.record;
        if (
          initial &&
          isMerged(draft, request) &&
          (proxy || !earlierTry(draft.leg(address.number), request, source))
        ) {
          refuse(draft, address.number, request, source, 482);
          return undefined;
        }
        const receive = proxy ? receiveProxied : receiveRequest;
        const event = receive(draft, address.number, request, source);
        if (event?.type === "request" && this.options.context().nowMs - atMs > LATE_MS)
          return { event: { ...event, atMs } };
        if (!event && draft.outgoing.some(({ retransmission }) => retransmission))
          this.options.metrics.retransmissionAbsorbed();
        return event && { event };
      },
      ...(initial ? { forgettable: stateless ? isAnswered : isChallenged } : {}),
    };
    this.options.runner.run(job).catch((error: unknown) => {
      try {
        this.notProcessed(error, address, request, source, job);
      } catch (failure) {
        // Nothing that came by the network may end the process.
        this.options.log.error({ error: failure, call: address.call }, "failed request not refused");
      }
    });
  }

  /** Its caller waits for nothing any more, whatever has become of its INVITE. */
  private receiveAckOfRefusal(
    { call, revision }: NonNullable<ReturnType<typeof parseRefusal>>,
    ack: SipMessage,
    source: Flow,
  ): void {
    this.options.witness.received(call, ack, source);
    const job: Job = {
      call,
      read: "cached",
      decide: (draft) => {
        const event = draft.record.proxy ? undefined : takeRefusal(draft, ack, revision);
        return event && { event };
      },
    };
    this.options.runner.run(job).catch((error: unknown) => {
      this.options.notDone(error, call);
      if (isAway(error)) this.options.journal.add(`${call} ${keyOf(ack)} ACK`, job);
    });
  }

  /** The record that a request belongs to; undefined when its To-tag is none that we ever gave. */
  private addressOf(request: SipMessage): LegAddress | undefined {
    const tag = request.to.tag;
    return tag === undefined || request.method === "REGISTER"
      ? this.initialAddress(request)
      : (parseLegId(tag) ?? this.proxiedAddress(request));
  }

  /** A request of a dialog that runs through us names its call in Route; the ACK of a failure has the branch of its INVITE. */
  private proxiedAddress(request: SipMessage): LegAddress | undefined {
    const call = callOfRoute(request.headers("route")[0]);
    if (call !== undefined && isCallId(call)) return { call, number: 0 };
    return request.method === "ACK" ? this.initialAddress(request) : undefined;
  }

  private initialAddress(request: SipMessage): LegAddress {
    const { method } = request;
    const methodClass = method === "ACK" || method === "CANCEL" ? "INVITE" : method;
    return { call: callIdOf(this.options.secret, methodClass, originOf(request)), number: 0 };
  }

  /** Answers from the request alone. */
  private refuseNow(
    { call, number }: LegAddress,
    request: SipMessage,
    source: Flow,
    status: number,
    headers?: readonly (readonly [string, string])[],
    tag?: string,
  ): void {
    const draft = new Draft({ record: emptyCall(call), state: undefined }, this.options.context());
    refuse(draft, number, request, source, status, headers, tag);
    for (const message of draft.outgoing) this.options.send(call, message);
  }

  /** The caller may try again, and says by its ACK that it took this for an answer. */
  private refuseUnavailable(address: LegAddress, invite: SipMessage, source: Flow, revision?: string): void {
    const { status, headers } = UNAVAILABLE;
    this.refuseNow(address, invite, source, status, headers, refusalTag(address.call, revision));
  }

  /**
   * A request whose step could not be committed: said so, but for a BYE and a CANCEL, whose sender is gone in any case. What its
   * sender takes for done is done when Redis is back.
   */
  private notProcessed(
    error: unknown,
    address: LegAddress,
    request: SipMessage,
    source: Flow,
    job: Job,
  ): void {
    const away = isAway(error);
    if (away) this.warnNotProcessed(error, request.method);
    else
      this.options.log.error({ error, call: address.call, method: request.method }, "request not processed");
    this.options.metrics.dropped("not-committed");
    const { method } = request;
    const later = (task: Job): boolean =>
      away && this.options.journal.add(`${address.call} ${keyOf(request)} ${method}`, task);
    if (method === "ACK") {
      later(job);
      return;
    }
    if ((method === "BYE" || method === "CANCEL") && later(job)) {
      this.refuseNow(address, request, source, 200);
      return;
    }
    if (method === "INVITE") {
      const revision = request.to.tag === undefined ? revisionIn(error) : undefined;
      const decide = (draft: Draft) => {
        const event = abandonInvite(draft, address.number, keyOf(request), revision);
        return event && { event };
      };
      later({ call: address.call, read: "reload", decide });
      this.refuseUnavailable(address, request, source, revision);
    } else this.refuseNow(address, request, source, UNAVAILABLE.status, UNAVAILABLE.headers);
  }
}

/** What a step that could not be committed has as its revision if it was all the same. */
function revisionIn(error: unknown): string | undefined {
  const revision = error instanceof CrossbandError ? error.context["revision"] : undefined;
  return typeof revision === "string" ? revision : undefined;
}

const isAway = (error: unknown): boolean =>
  error instanceof CrossbandError && error.code === ErrorCode.StateUnavailable;

/**
 * True when all that came of a request was a challenge. It is said once and nothing is kept of it (RFC 3261 §26.3.2.4): whoever
 * writes somebody else's address on his packets gets that one no repetitions, and no memory of ours.
 */
const isChallenged = (draft: Draft): boolean =>
  draft.outgoing.length > 0 &&
  draft.outgoing.every(({ status }) => status === 401 || status === 407) &&
  isAnswered(draft);

/** True when a request was answered and nothing else came of it. */
function isAnswered(draft: Draft): boolean {
  const legs = Object.values(draft.record.legs);
  return (
    draft.state === undefined &&
    draft.details.length === 0 &&
    Object.keys(draft.record.timers).length === 0 &&
    legs.every(
      ({ clients, servers }) =>
        clients.length === 0 && servers.every(({ state }) => state.name === "completed"),
    )
  );
}
