import type { Clock } from "#common/clock.ts";
import type { Logger } from "#common/log.ts";
import type { Binding } from "#state/registration/binding.ts";
import type { SipEvent, SipHandler, Step } from "#signaling/sip-port/sip-port.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import { admitInvite } from "./call/admit-invite.ts";
import type { CallRunner } from "./call/call-runner.ts";
import { callEventOf } from "./call/to-event.ts";
import { CAPABILITIES, inspect, type HeaderList } from "./capabilities.ts";
import type { CallDirectory } from "./directory.ts";
import type { CallMetrics } from "./metrics.ts";
import type { createMessageRelay } from "./message/relay-message.ts";
import type { createRegistrar } from "./registrar/registrar.ts";
import { addresseeOf, type OwnHosts } from "./routing/address.ts";
import type { createPublish } from "./subscription/publish.ts";
import { TOLD_TIMER, type CallWatch } from "./subscription/call-watch.ts";
import { isSubscriptionTimer, type Subscriptions } from "./subscription/subscriptions.ts";
import { findTarget } from "./routing/target.ts";

export interface CallControlOptions {
  readonly log: Logger;
  readonly clock: Pick<Clock, "now">;
  readonly metrics: CallMetrics;
  readonly directory: CallDirectory;
  readonly authenticator: Authenticator;
  readonly registrar: ReturnType<typeof createRegistrar>;
  readonly messages: ReturnType<typeof createMessageRelay>;
  readonly subscriptions: Subscriptions;
  readonly publish: ReturnType<typeof createPublish>;
  readonly watch: Pick<CallWatch, "tell">;
  readonly runner: CallRunner;
  readonly bindings: (user: string) => Promise<readonly Binding[]>;
  readonly ringMs: number;
}

type Request = Extract<SipEvent, { type: "request" }>;

/** Call control: what every SIP event means. It keeps nothing between two events. */
export function createCallControl(options: CallControlOptions): SipHandler {
  const { log, clock, metrics, directory, authenticator, registrar, messages, runner, bindings, ringMs } =
    options;

  const refuse = (step: Step, { txn, message }: Request, status: number, headers: HeaderList = []): void => {
    step.command({ type: "reply", txn, status, headers });
    step.after(() => {
      metrics.refused(message.method, status);
    });
  };

  /** A request outside a dialog that somebody must answer for: who asks, and for whom. */
  const admit = async (request: Request, own: OwnHosts, step: Step): Promise<void> => {
    const { message, source } = request;
    const identity = await authenticator.identify(message, source, own);
    if (identity.outcome === "refused") {
      step.after(() => {
        metrics.authentication(identity.cause);
      });
      refuse(step, request, identity.status, identity.headers);
      return;
    }
    step.after(() => {
      metrics.authentication(identity.by === "digest" ? "ok" : "by-registration");
    });
    const { user, binding } = identity;
    const target = await findTarget(addresseeOf(message.requestUri, own), directory);
    if (message.method === "MESSAGE") {
      await messages(request, user, target, own.domain, step);
      return;
    }
    if (message.method === "SUBSCRIBE") {
      await options.subscriptions.begin(request, user, target, step);
      return;
    }
    if (message.method === "PUBLISH") {
      await options.publish(request, user, target, step);
      return;
    }
    const reached = target.kind === "user" ? await bindings(target.user.id) : [];
    const { callId: call } = step;
    const admitted = admitInvite({
      call,
      request,
      user,
      target,
      bindings: reached,
      domain: own.domain,
      ringMs,
      atMs: clock.now(),
    });
    if ("start" in admitted) {
      if (binding !== undefined)
        step.command({ type: "follow", leg: request.leg, registration: { user: user.id, key: binding } });
      runner.start(step, admitted.start);
    } else refuse(step, request, admitted.status, admitted.headers);
  };

  const onRequest = async (request: Request, step: Step): Promise<void> => {
    const { message, dialog, txn } = request;
    const refused = inspect(message, dialog);
    if (refused) {
      refuse(step, request, refused.status, refused.headers);
      return;
    }
    if (message.method === "OPTIONS") {
      step.command({ type: "reply", txn, status: 200, headers: CAPABILITIES });
      return;
    }
    if (message.method === "REGISTER") {
      await registrar(request, await directory.own(), step);
      return;
    }
    if (!dialog) {
      await admit(request, await directory.own(), step);
      return;
    }
    if (message.method === "SUBSCRIBE") {
      await options.subscriptions.refresh(request, step);
      return;
    }
    const event = callEventOf(request, clock.now());
    if (event) await runner.advance(step, event);
    else refuse(step, request, 405);
  };

  return {
    async onEvent(event, step) {
      if (event.type !== "request") {
        if (event.type === "response" && event.method === "NOTIFY") {
          await options.subscriptions.answered(event, step);
          return;
        }
        const callEvent = callEventOf(event, clock.now());
        if (callEvent) await runner.advance(step, callEvent);
        return;
      }
      try {
        await onRequest(event, step);
      } catch (error) {
        // Redis is away, or a fault of ours: the peer is told to come back rather than left waiting (RFC 3261 §21.5.4).
        log.error(
          { callId: step.callId, method: event.message.method, error: String(error) },
          "request not handled",
        );
        refuse(step, event, 503, [["Retry-After", "5"]]);
      }
    },
    onTimer(timer, step) {
      if (isSubscriptionTimer(timer)) return options.subscriptions.onTimer(timer, step);
      if (timer === TOLD_TIMER) return options.watch.tell(step);
      return runner.advance(step, { type: "timer", timer, atMs: clock.now() });
    },
    recover: (step) => runner.repeat(step),
  };
}
