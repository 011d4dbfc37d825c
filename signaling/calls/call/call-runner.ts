import type { Clock } from "#common/clock.ts";
import type { Logger } from "#common/log.ts";
import type { Step as Decision } from "#common/machine.ts";
import type { MediaClient } from "#signaling/calls/media/media-client.ts";
import { stepMessageRelay, type MessageRelay } from "#signaling/calls/message/message-relay.machine.ts";
import type { CallWatch } from "#signaling/calls/subscription/call-watch.ts";
import type { CallMetrics } from "#signaling/calls/metrics.ts";
import type { CallId, SipPort, Step } from "#signaling/sip-port/sip-port.ts";
import { startDial } from "./bridged-call-dial.ts";
import { stepBridgedCall, repeatBridgedCall } from "./bridged-call.machine.ts";
import type { BridgedCall } from "./bridged-call.ts";
import type { CallEvent, EventOf, Told } from "./call-event.ts";
import { createMediaQuestions } from "./ask-media.ts";
import { sip, type Effect } from "./effect.ts";
import { repeatGroupCall, stepGroupCall, type GroupCall } from "./group-call.machine.ts";
import { repeatReferral, stepReferral, takingRefused } from "./referral.ts";
import { stepUserCall } from "./user-call.machine.ts";
import { repeatUserCall, type UserCall } from "./user-call.ts";

/** Whatever a call's record may hold. */
export type AnyCall = GroupCall | UserCall | BridgedCall | MessageRelay;

export interface CallRunnerOptions {
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
  readonly metrics: CallMetrics;
  readonly media: MediaClient;
  readonly port: Pick<SipPort, "begin">;
  /** Tells those who watch a party of a call. */
  readonly watch?: Pick<CallWatch, "stepped" | "rest">;
  readonly trunks: CallTrunks;
  /** Drops a registered contact whose connection is gone. */
  readonly unbind: (user: string, key: string, expiresAtMs: number) => Promise<void>;
}

/** What a call asks of the trunk that it goes over. */
export interface CallTrunks {
  claim(trunk: string, call: CallId): Promise<EventOf<"claimed">["claim"]>;
  /** Never rejects; what it does not come to is found by the audit. */
  release(trunk: string, call: CallId): void;
  avoid(trunk: string, peer: string, seconds: number): void;
}

export interface CallRunner {
  /**
   * Adopts the first step of a call.
   *
   * @param repeated the caller says again what is not answered, so that a death before the commit loses nothing. The media
   *   tier is then asked first: what it answers at once needs no step and no 100 of its own
   */
  start(step: Step, decision: Decision<AnyCall, Effect>, repeated?: boolean): Promise<void>;
  /** Takes an event to the call's machine. */
  advance(step: Step, event: CallEvent): Promise<void>;
  /** Does again what a dead process may not have done. */
  repeat(step: Step): Promise<void>;
}

/** A call that stands lives until somebody hangs up; this only bounds what nobody will ever end. */
const STANDING_TTL_MS = 30 * 24 * 3_600_000;
/** A call in setup or teardown. */
const PASSING_TTL_MS = 15 * 60_000;

/** The trunk whose limits a call counts against. */
export const trunkOf = (call: AnyCall | undefined): string | undefined =>
  call === undefined || call.kind === "message" || call.name === "ended" || call.name === "gone"
    ? undefined
    : call.trunk;
/** How long a first step waits for the media tier, in ms: a call that is not answered within 200 is owed a 100 (RFC 3261 §17.2.1). */
const MEDIA_PATIENCE_MS = 100;

const STANDING: ReadonlySet<AnyCall["name"]> = new Set(["joined", "talking"]);

/** The thin shell around the call machines: loads, steps, saves, and carries out their effects. */
export function createCallRunner({
  clock,
  log,
  metrics,
  media,
  port,
  trunks,
  unbind,
  watch,
}: CallRunnerOptions): CallRunner {
  const adopt = (step: Step, { state, effects }: Decision<AnyCall, Effect>, before?: AnyCall): void => {
    if (state !== before) watch?.stepped(step, before, state);
    if (state.name === "gone") step.save(watch?.rest(before));
    else if (state !== before) step.save(state, STANDING.has(state.name) ? STANDING_TTL_MS : PASSING_TTL_MS);
    if (before?.name !== state.name)
      step.after(() => {
        note(step.callId, state, before);
      });
    for (const effect of effects) carryOut(step, effect);
    const left = trunkOf(before);
    if (left !== undefined && left !== trunkOf(state))
      step.after(() => {
        trunks.release(left, step.callId);
      });
  };

  const note = (callId: CallId, state: AnyCall, before: AnyCall | undefined): void => {
    log.debug({ callId, kind: state.kind, from: before?.name, to: state.name }, "call stepped");
    if (state.kind === "message") return;
    const kind = state.kind === "bridged" ? state.parties.kind : state.kind;
    if (before === undefined) metrics.call(kind, "started");
    else if (STANDING.has(state.name)) metrics.call(kind, "answered");
  };

  const carryOut = (step: Step, effect: Effect): void => {
    const { callId } = step;
    switch (effect.do) {
      case "sip":
        step.command(effect.command);
        return;
      case "timer":
        step.timer(effect.timer, effect.atMs);
        return;
      case "detail": {
        const { detail } = effect;
        step.cdr(detail);
        step.after(() => {
          metrics.call(detail.kind, detail.cause);
          log.info(
            {
              callId,
              kind: detail.kind,
              cause: detail.cause,
              status: detail.status,
              durationMs: detail.durationMs,
            },
            "call ended",
          );
        });
        return;
      }
      case "media":
        step.after(() => {
          questions.bring(callId, questions.ask(callId, effect.request));
        });
        return;
      case "dismiss":
        step.ahead(() => media.dismiss(effect.leg, effect.from));
        return;
      case "claim":
        step.after(() => {
          claim(callId, effect.trunk, effect.leg);
        });
        return;
      case "avoid":
        step.after(() => {
          trunks.avoid(effect.trunk, effect.peer, effect.seconds);
        });
        return;
      case "tell":
        step.after(() => {
          tell(effect.call, effect.event);
        });
        return;
      case "dial":
        step.after(() => {
          begin(effect.call, async (other) => {
            if (await other.load<AnyCall>())
              await runner.advance(other, { type: "resume", atMs: clock.now() });
            else adopt(other, startDial(effect.call, effect.plan, clock.now()));
          });
        });
        return;
      case "unbind":
        step.after(() => {
          unbind(effect.user, effect.key, effect.expiresAtMs).catch((error: unknown) => {
            log.warn({ callId, error: String(error) }, "dead contact not forgotten");
          });
        });
    }
  };

  /** Asks for room on a trunk and brings the answer back to the call; a limit that cannot be read is taken as reached. */
  const claim = (callId: CallId, trunk: string, leg: string): void => {
    const told = async () => {
      const outcome = await trunks.claim(trunk, callId).catch((error: unknown) => {
        log.warn({ callId, trunk, error: String(error) }, "limits of a trunk not read");
        return "full" as const;
      });
      await port.begin(callId, (step) =>
        runner.advance(step, { type: "claimed", leg, claim: outcome, atMs: clock.now() }),
      );
    };
    told().catch((error: unknown) => {
      // The call ends when nobody has answered in time; an instance that adopts it asks again.
      log.error({ callId, trunk, error: String(error) }, "room on a trunk not taken in");
    });
  };
  const tell = (call: CallId, event: Told): void => {
    begin(call, (step) => runner.advance(step, { ...event, atMs: clock.now() }));
  };
  /** A step of another call. What is lost here is told again by a timer of this one. */
  const begin = (call: CallId, work: (step: Step) => Promise<void>): void => {
    port.begin(call, work).catch((error: unknown) => {
      log.warn({ callId: call, error: String(error) }, "other call not told");
    });
  };

  const questions = createMediaQuestions({
    clock, log, metrics, media,
    take: (callId, event) => port.begin(callId, (step) => runner.advance(step, event)),
  }); // prettier-ignore
  const runner: CallRunner = {
    async start(step, { state, effects }, repeated = false) {
      const [put, ...further] = repeated ? effects.filter((effect) => effect.do === "media") : [];
      if (!put || further.length > 0) {
        adopt(step, { state, effects });
        return;
      }
      const answer = questions.ask(step.callId, put.request);
      const early = await within(MEDIA_PATIENCE_MS, answer);
      adopt(step, { state, effects: effects.filter((effect) => effect !== put) });
      if (early) await runner.advance(step, early);
      else
        step.after(() => {
          questions.bring(step.callId, answer);
        });
    },
    async advance(step, event) {
      const call = await step.load<AnyCall>();
      const decision = call && stepCall(call, event.type === "taken" ? withOffer(event, call, step) : event);
      if (decision) adopt(step, decision, call);
      else for (const effect of withoutCall(event, step.callId)) carryOut(step, effect);
    },
    async repeat(step) {
      const call = await step.load<AnyCall>();
      if (call?.kind !== "group" && call?.kind !== "user" && call?.kind !== "bridged") return;
      watch?.stepped(step, undefined, call);
      log.info({ callId: step.callId, kind: call.kind, name: call.name }, "call adopted");
      for (const effect of [...repeatCall(call), ...repeatReferral(call)]) carryOut(step, effect);
    },
  };
  return runner;
}

/** What a promise resolves with, if it does so in time. */
function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, undefined);
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
    });
  });
}

/** A call that still rings gives its caller's offer along when somebody else picks up. */
function withOffer(event: EventOf<"taken">, call: AnyCall, step: Step): CallEvent {
  return call.kind === "user" && call.name === "calling"
    ? { ...event, sdp: step.dialog(event.leg)?.sentBody }
    : event;
}

function repeatCall(call: Exclude<AnyCall, MessageRelay>): Effect[] {
  switch (call.kind) {
    case "group":
      return repeatGroupCall(call);
    case "user":
      return repeatUserCall(call);
    case "bridged":
      return repeatBridgedCall(call);
  }
}

function stepCall(call: AnyCall, event: CallEvent): Decision<AnyCall, Effect> | undefined {
  const referred = call.kind === "message" ? undefined : stepReferral(call, event);
  if (referred) return referred;
  switch (call.kind) {
    case "bridged":
      return stepBridgedCall(call, event);
    case "group":
      return stepGroupCall(call, event);
    case "user":
      return stepUserCall(call, event);
    case "message":
      return stepMessageRelay(call, event);
  }
}

/** The answer to what no call expects any more: requests are answered, a late 2xx is taken down (RFC 3261 §13.2.2.4). */
export function withoutCall(event: CallEvent, callId = ""): Effect[] {
  if (event.type === "taken") return takingRefused(event, callId);
  if (event.type === "bye") return [sip({ type: "reply", txn: event.txn, status: 200 })];
  if (event.type === "offer" || event.type === "info" || event.type === "prack" || event.type === "refer")
    return [sip({ type: "reply", txn: event.txn, status: 481 })];
  const late =
    event.type === "response" && event.method === "INVITE" && event.status >= 200 && event.status < 300;
  return late
    ? [sip({ type: "ack", leg: event.leg }), sip({ type: "in-dialog", leg: event.leg, method: "BYE" })]
    : [];
}
