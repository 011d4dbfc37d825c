import { calm } from "#common/calm.ts";
import type { Clock } from "#common/clock.ts";
import type { Logger } from "#common/log.ts";
import type { Binding } from "#state/registration/binding.ts";
import type { SipEvent, SipHandler, Step } from "#signaling/sip-port/sip-port.ts";
import type { Authenticator, Known } from "./auth/authenticator.ts";
import { admitInvite } from "./call/admit-invite.ts";
import type { CallRunner } from "./call/call-runner.ts";
import { callEventOf } from "./call/to-event.ts";
import { CAPABILITIES, inspect, type HeaderList } from "./capabilities.ts";
import type { CallDirectory } from "./directory.ts";
import type { CallMetrics } from "./metrics.ts";
import type { createMessageRelay } from "./message/relay-message.ts";
import type { Gruus } from "./registrar/gruu.ts";
import type { createRegistrar } from "./registrar/registrar.ts";
import { addresseeOf, type OwnHosts } from "./routing/address.ts";
import type { createRefer } from "./transfer/refer.ts";
import type { createReplace } from "./transfer/replace.ts";
import type { createPublish } from "./subscription/publish.ts";
import { TOLD_TIMER, type CallWatch } from "./subscription/call-watch.ts";
import { isSubscriptionTimer, type Subscriptions } from "./subscription/subscriptions.ts";
import { findTarget } from "./routing/target.ts";
import { isTrunkDuty } from "./trunk/duty-id.ts";
import type { OpenTrunk } from "./trunk/trunk-book.ts";
import type { TrunkDuties } from "./trunk/trunk-duties.ts";
import type { Trunks } from "./trunk/trunks.ts";

export interface CallControlOptions {
  readonly log: Logger;
  readonly clock: Pick<Clock, "now">;
  readonly metrics: CallMetrics;
  readonly directory: CallDirectory;
  readonly authenticator: Authenticator;
  readonly registrar: ReturnType<typeof createRegistrar>;
  readonly messages: ReturnType<typeof createMessageRelay>;
  readonly subscriptions: Subscriptions;
  readonly refer: ReturnType<typeof createRefer>;
  readonly replace: ReturnType<typeof createReplace>;
  readonly publish: ReturnType<typeof createPublish>;
  readonly watch: Pick<CallWatch, "tell">;
  readonly gruus: Gruus;
  readonly runner: CallRunner;
  readonly bindings: (user: string) => Promise<readonly Binding[]>;
  readonly trunks: Trunks;
  readonly duties: Pick<TrunkDuties, "onEvent" | "onTimer">;
  readonly ringMs: number;
}

type Request = Extract<SipEvent, { type: "request" }>;

/** Call control: what every SIP event means. It keeps nothing between two events. */
export function createCallControl(options: CallControlOptions): SipHandler {
  const {
    log,
    clock,
    metrics,
    directory,
    authenticator,
    registrar,
    messages,
    runner,
    bindings,
    trunks,
    duties,
    ringMs,
  } = options;

  /** With Redis away every request fails: one line a second says so as well as a thousand. */
  const notHandled = calm((keptBack, callId: string, method: string, error: unknown) => {
    log.error({ callId, method, error: String(error), keptBack }, "request not handled");
  });

  const refuse = (step: Step, { txn, message }: Request, status: number, headers: HeaderList = []): void => {
    step.command({ type: "reply", txn, status, headers });
    step.after(() => {
      metrics.refused(message.method, status);
    });
  };

  /** A request outside a dialog that somebody must answer for: who asks, and for whom. */
  const admit = async (request: Request, own: OwnHosts, step: Step): Promise<void> => {
    const { message, source } = request;
    // A user who calls from the address of a trunk is told by the registration, or by a password.
    const trunk = await trunks.at(request);
    const registered = trunk && (await authenticator.registered(message, source, own));
    if (trunk && !registered && message.header("proxy-authorization") === undefined) {
      await admitFromTrunk(request, trunk, own, step);
      return;
    }
    const identity = await authenticator.identify(message, source, own);
    if (identity.outcome === "refused") {
      step.after(() => {
        metrics.authentication(identity.cause);
      });
      refuse(step, request, identity.status, identity.headers);
      return;
    }
    if (identity.outcome === "trunk") {
      const proved = await trunks.byUsername(identity.username);
      if (proved) await admitFromTrunk(request, proved, own, step);
      else refuse(step, request, 403);
      return;
    }
    step.after(() => {
      metrics.authentication(identity.by === "digest" ? "ok" : "by-registration");
    });
    await admitUser(request, identity, own, step);
  };

  const admitFromTrunk = async (
    request: Request,
    trunk: OpenTrunk,
    own: OwnHosts,
    step: Step,
  ): Promise<void> => {
    step.after(() => {
      metrics.authentication("trunk");
    });
    const admitted = await trunks.admit(request, trunk, own, step.callId);
    if ("start" in admitted) {
      step.command({ type: "account", leg: request.leg, account: trunk.trunk.id });
      await runner.start(step, admitted.start, request.repeated);
    } else refuse(step, request, admitted.status, admitted.headers);
  };

  const admitUser = async (
    request: Request,
    { user, binding }: Known,
    own: OwnHosts,
    step: Step,
  ): Promise<void> => {
    const { message } = request;
    const device = options.gruus.deviceOf(message.requestUri, own);
    if (device === "unknown") {
      refuse(step, request, 404);
      return;
    }
    const addressee = device
      ? ({ kind: "name", name: device.user } as const)
      : addresseeOf(message.requestUri, own);
    const target = await findTarget(addressee, directory);
    if (message.method === "MESSAGE") {
      await messages(request, user, target, own.domain, step, device?.reaches);
      return;
    }
    const known = binding === undefined ? undefined : { user: user.id, key: binding };
    if (message.method === "SUBSCRIBE") {
      if (known) step.command({ type: "follow", leg: request.leg, registration: known });
      await options.subscriptions.begin(request, user, target, step);
      return;
    }
    if (message.method === "PUBLISH") {
      await options.publish(request, user, target, step);
      return;
    }
    if (message.header("replaces") !== undefined) {
      const status = await options.replace(request, user, step);
      if (status !== undefined) refuse(step, request, status);
      return;
    }
    const bound = target.kind === "user" ? await bindings(target.user.id) : [];
    const reached = device ? bound.filter(device.reaches) : bound;
    const routes = target.kind === "outside" ? await trunks.routes(target.dialled, user, message) : undefined;
    const { callId: call } = step;
    const admitted = admitInvite({
      call,
      request,
      user,
      target,
      bindings: reached,
      ...(routes && { routes }),
      domain: own.domain,
      ringMs,
      atMs: clock.now(),
    });
    if ("start" in admitted) {
      if (known) step.command({ type: "follow", leg: request.leg, registration: known });
      await runner.start(step, admitted.start, request.repeated);
      return;
    }
    refuse(step, request, admitted.status, admitted.headers);
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
    if (message.method === "REFER") {
      const no = await options.refer(request, await directory.own(), step);
      if (no) refuse(step, request, no.status, no.headers);
      return;
    }
    const event = callEventOf(request, request.atMs ?? clock.now());
    if (event) await runner.advance(step, event);
    else refuse(step, request, 405);
  };

  return {
    async onEvent(event, step) {
      if (isTrunkDuty(step.callId)) {
        await duties.onEvent(event, step);
        return;
      }
      if (event.type !== "request") {
        if (event.type === "response" && event.challenged) {
          if (await trunks.authorize(event, event.challenged, step)) return;
          if (event.challenged.own) return;
        }
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
        notHandled(step.callId, event.message.method, error);
        refuse(step, event, 503, [["Retry-After", "5"]]);
      }
    },
    onTimer(timer, step) {
      if (isTrunkDuty(step.callId)) return duties.onTimer(step);
      if (isSubscriptionTimer(timer)) return options.subscriptions.onTimer(timer, step);
      if (timer === TOLD_TIMER) return options.watch.tell(step);
      return runner.advance(step, { type: "timer", timer, atMs: clock.now() });
    },
    // What a duty has under way is a request, and the edge has sent it again.
    recover: (step) => (isTrunkDuty(step.callId) ? Promise.resolve() : runner.repeat(step)),
  };
}
