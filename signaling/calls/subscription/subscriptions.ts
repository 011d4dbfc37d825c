import type { Clock } from "#common/clock.ts";
import type { Logger } from "#common/log.ts";
import type { User } from "#state/directory/provision.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { addSubscription, removeSubscription, subscriptionsTo } from "#state/subscription/subscriptions.ts";
import type { HeaderList } from "#signaling/calls/capabilities.ts";
import type { CallMetrics } from "#signaling/calls/metrics.ts";
import type { Target } from "#signaling/calls/routing/target.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { SipEvent, SipPort, Step } from "#signaling/sip-port/sip-port.ts";
import { ALLOW_EVENTS, CONTENT_TYPES, fingerprint, packageOf, type StateDocument } from "./event-package.ts";
import type { Resources } from "./resources.ts";
import {
  gone, notified, startSubscription, stepSubscription,
  type Active, type EndReason, type Subscription, type SubscriptionEffect, type SubscriptionEvent, type SubscriptionTimer,
} from "./subscription.machine.ts"; // prettier-ignore

export interface SubscriptionsOptions {
  readonly redis: RedisConnection;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
  readonly metrics: CallMetrics;
  readonly resources: Resources;
  readonly port: Pick<SipPort, "begin">;
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

type Request = Extract<SipEvent, { type: "request" }>;
type Response = Extract<SipEvent, { type: "response" }>;

export interface Subscriptions {
  /** A SUBSCRIBE outside a dialog, by somebody who is known. */
  begin(request: Request, user: User, target: Target, step: Step): Promise<void>;
  /** A SUBSCRIBE inside a dialog. */
  refresh(request: Request, step: Step): Promise<void>;
  /** The answer to a NOTIFY; false when it is none of a subscription. */
  answered(response: Response, step: Step): Promise<boolean>;
  onTimer(timer: SubscriptionTimer, step: Step): Promise<void>;
  /** Tells every subscription to a resource that it has changed. */
  changed(resource: string): Promise<void>;
}

export const isSubscriptionTimer = (name: string): name is SubscriptionTimer => name.startsWith("sub-");

/** Subscriptions that are told at once. */
const PARALLEL = 32;
/** A record outlives its subscription by this, in ms: its timer ends it. */
const TTL_SLACK_MS = 60_000;
/** What a peer is asked to wait when there are too many, in s. */
const RETRY_AFTER_S = 60;

/** Serves SUBSCRIBE and sends NOTIFY (RFC 6665). A subscription is a record like a call's: any instance goes on with it. */
export function createSubscriptions(options: SubscriptionsOptions): Subscriptions {
  const { redis, clock, log, metrics, resources, port } = options;

  const refuse = (step: Step, { txn, message }: Request, status: number, headers: HeaderList = []): void => {
    step.command({ type: "reply", txn, status, headers });
    step.after(() => {
      metrics.refused(message.method, status);
    });
  };

  /** The seconds that are granted, or undefined when too few were asked for (RFC 6665 §4.2.1.1). */
  const granted = ({ expires }: SipMessage): number | undefined => {
    const wanted = expires ?? options.maxSeconds;
    if (wanted > 0 && wanted < options.minSeconds) return undefined;
    return Math.min(wanted, options.maxSeconds);
  };
  const tooBrief: HeaderList = [["Min-Expires", String(options.minSeconds)]];

  const adopt = async (
    step: Step,
    state: Subscription,
    effects: readonly SubscriptionEffect[],
    before: Active,
  ): Promise<void> => {
    let next = state;
    for (const effect of effects) next = await carryOut(step, next, effect);
    if (next.name === "active") {
      step.save(next, next.expiresAtMs - clock.now() + TTL_SLACK_MS);
      return;
    }
    for (const timer of ["sub-rate", "sub-look", "sub-expire"]) step.timer(timer, undefined);
    step.save(undefined);
    const { resource, subscriber, event } = before;
    const { callId: call } = step;
    step.after(() => {
      metrics.subscription(event, "ended");
      removeSubscription(redis, { call, resource, subscriber }).catch((error: unknown) => {
        // It goes at its end by itself.
        log.debug({ error: String(error) }, "ended subscription not struck");
      });
    });
  };

  const carryOut = async (
    step: Step,
    state: Subscription,
    effect: SubscriptionEffect,
  ): Promise<Subscription> => {
    if (effect.do === "sip") step.command(effect.command);
    else if (effect.do === "timer") step.timer(effect.timer, effect.atMs);
    if (state.name === "gone") return state;
    const { resource, subscriber, expiresAtMs } = state;
    if (effect.do === "index") {
      if (!(await addSubscription(redis, { call: step.callId, resource, subscriber, expiresAtMs })))
        return finish(step, state, "rejected");
    } else if (effect.do === "look") return look(step, state, effect.send);
    else if (effect.do === "finish") return finish(step, state, effect.reason);
    return state;
  };

  const look = async (step: Step, state: Active, send: "if-changed" | "always"): Promise<Subscription> => {
    const read = await resources.read(state.event, state.resource, state.subscriber);
    if (read.outcome !== "document") return finish(step, state, read.outcome);
    const { document } = read;
    const nowMs = clock.now();
    const { nextAtMs } = document;
    step.timer("sub-look", nextAtMs === undefined ? undefined : Math.max(nextAtMs, nowMs) + 100);
    const print = fingerprint(document);
    if (send === "if-changed" && print === state.told) return state;
    notify(
      step,
      state,
      `active;expires=${Math.max(0, Math.ceil((state.expiresAtMs - nowMs) / 1_000))}`,
      document,
    );
    return notified(state, print, nowMs);
  };

  /** The last NOTIFY, with the state as it is when it may still be seen (RFC 6665 §4.2.2). */
  const finish = async (step: Step, state: Active, reason: EndReason): Promise<Subscription> => {
    const read =
      reason === "timeout" ? await resources.read(state.event, state.resource, state.subscriber) : undefined;
    notify(
      step,
      state,
      `terminated;reason=${reason}`,
      read?.outcome === "document" ? read.document : undefined,
    );
    return gone;
  };

  const notify = (step: Step, state: Active, subscriptionState: string, document?: StateDocument): void => {
    const { leg, event, eventId, version } = state;
    step.command({
      type: "in-dialog", leg, method: "NOTIFY",
      headers: [["Event", eventId === undefined ? event : `${event};id=${eventId}`], ["Subscription-State", subscriptionState]],
      ...(document && { body: document.write(version), contentType: CONTENT_TYPES[event] }),
    }); // prettier-ignore
    step.after(() => {
      metrics.subscription(event, "notified");
    });
  };

  const advance = async (step: Step, event: SubscriptionEvent): Promise<boolean> => {
    const state = await step.load<Subscription>();
    if (state?.kind !== "subscription" || state.name !== "active") return false;
    const decision = stepSubscription(state, event);
    if (decision) await adopt(step, decision.state, decision.effects, state);
    return true;
  };

  return {
    async begin(request, user, target, step) {
      const { message, txn, leg } = request;
      const event = packageOf(message.header("event"));
      if (!event) {
        refuse(step, request, 489, ALLOW_EVENTS);
        return;
      }
      if (message.contacts.length !== 1) {
        refuse(step, request, 400);
        return;
      }
      if (!accepts(message, CONTENT_TYPES[event])) {
        refuse(step, request, 406, [["Accept", CONTENT_TYPES[event]]]);
        return;
      }
      const seconds = granted(message);
      if (seconds === undefined) {
        refuse(step, request, 423, tooBrief);
        return;
      }
      const resource = resources.find(event, target, user);
      if (typeof resource === "number") {
        refuse(step, request, resource);
        return;
      }
      const atMs = clock.now();
      const entry = { call: step.callId, resource, subscriber: user.id, expiresAtMs: atMs + seconds * 1_000 };
      if (seconds > 0 && !(await addSubscription(redis, entry))) {
        refuse(step, request, 503, [["Retry-After", String(RETRY_AFTER_S)]]);
        return;
      }
      const eventId = eventIdOf(message);
      const asked = {
        leg,
        txn,
        event,
        resource,
        subscriber: user.id,
        seconds,
        atMs,
        ...(eventId !== undefined && { eventId }),
      };
      const { state, effects } = startSubscription(asked); // prettier-ignore
      if (state.name === "active") await adopt(step, state, effects, state);
      step.after(() => {
        metrics.subscription(event, "started");
      });
    },
    async refresh(request, step) {
      const { message, txn } = request;
      const state = await step.load<Subscription>();
      const event = packageOf(message.header("event"));
      if (!event) {
        refuse(step, request, 489, ALLOW_EVENTS);
        return;
      }
      // A further subscription in a dialog is not offered (RFC 6665 §4.5.2): each has one of its own.
      if (state?.kind !== "subscription" || state.name !== "active") {
        refuse(step, request, 403);
        return;
      }
      if (event !== state.event || eventIdOf(message) !== state.eventId) {
        refuse(step, request, 481);
        return;
      }
      const seconds = granted(message);
      if (seconds === undefined) refuse(step, request, 423, tooBrief);
      else await advance(step, { type: "refresh", txn, seconds, atMs: clock.now() });
    },
    answered: ({ status, local }, step) =>
      advance(step, { type: "answered", status, local, atMs: clock.now() }),
    async onTimer(timer, step) {
      await advance(step, { type: "timer", timer, atMs: clock.now() });
    },
    async changed(resource) {
      const calls = await subscriptionsTo(redis, resource);
      for (let first = 0; first < calls.length; first += PARALLEL)
        await Promise.all(
          calls.slice(first, first + PARALLEL).map((call) =>
            port.begin(call, async (step) => {
              await advance(step, { type: "changed", atMs: clock.now() });
            }),
          ),
        );
    },
  };
}

/** RFC 6665 §8.2.1: the `id` parameter tells subscriptions of a dialog apart, and comes back as it was. */
const eventIdOf = (message: SipMessage): string | undefined =>
  /;\s*id\s*=\s*([A-Za-z0-9\-.!%*_+`'~]{1,64})\s*(?:;|$)/.exec(message.header("event") ?? "")?.[1];

/** Without an Accept header, the package's own type is meant (RFC 6665 §3.1.3). */
function accepts(message: SipMessage, type: string): boolean {
  const offered = message.headers("accept").map((value) => value.split(";", 1)[0]?.trim().toLowerCase());
  return (
    offered.length === 0 || offered.some((one) => one === type || one === "*/*" || one === "application/*")
  );
}
