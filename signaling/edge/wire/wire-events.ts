import { parseMessage } from "#signaling/edge/message/parse.ts";
import { serverTxnId } from "#signaling/edge/engine/ids.ts";
import type { LegId, SipHandler, Step, TxnId } from "#signaling/sip-port/sip-port.ts";
import { endpointOf, tellCdr, type WireContext } from "./context.ts";
import { makesDialog, type Body, type Delivery, type EventOf } from "./delivery.ts";
import { longForm } from "./long-form.ts";
import { ANSWER_TIMER, armAnswer, bodyOf } from "./pending.ts";
import { requestLike } from "./request-like.ts";
import { NO_ENDPOINT } from "./server-frame.codec.ts";
import { onProxied } from "./wire-proxy.ts";
import {
  acknowledged,
  ended,
  NEW_CALL,
  save,
  withoutPending,
  withoutUntold,
  type PendingRequest,
  type WireState,
} from "./wire-state.ts";

/** An application that took an INVITE and never answers does not hold the caller for ever (timer C, RFC 3261 §16.6). */
const INVITE_MS = 185_000;
/** Whoever sent another request has given it up by then (timer F, §17.1.2.2). */
const REQUEST_MS = 32_000;
/** An application that restarts connects again within this time. */
const REATTACH_MS = 2_000;
const REDISPATCH_TIMER = "wire-redispatch";

/** Chooses the application for a new request by other means than its routes: see `request-handler.ts`. */
export interface RequestRouter {
  handles(method: string): boolean;
  route(call: string, txn: TxnId, pending: PendingRequest): void;
}

export interface WireEvents extends SipHandler {
  /** Gives the open requests of a client that is gone to others. */
  clientGone(id: string): void;
}

/** The edge's events as frames for the attached applications. */
export function createWireEvents(
  context: WireContext,
  delivery: Delivery,
  router: RequestRouter | undefined,
): WireEvents {
  const { clients, clock, owners, log } = context;
  const stateOf = async (step: Step): Promise<WireState> => (await step.load<WireState>()) ?? NEW_CALL;

  return {
    async onEvent(event, step) {
      const state = await stateOf(step);
      switch (event.type) {
        case "request":
          onRequest(event, step, state);
          break;
        case "ack": {
          save(step, acknowledged(state, event.leg));
          const txn = serverTxnId(event.leg, event.message.cseq.seq);
          const text = longForm(event.message);
          tell(step, state, "ack", {
            source: "network",
            peer: NO_ENDPOINT,
            txn,
            dialog: event.leg,
            message: text,
          });
          break;
        }
        case "cancel":
          onCancel(event, step, state);
          break;
        case "response":
          onResponse(event, step, state);
          break;
        case "proxied":
          onProxied(context, delivery, event, step, state);
          break;
        case "ack-timeout":
          onAckTimeout(event.leg, step, state);
          break;
        case "session-expired":
        case "media-moved":
          // Dialogs of applications are not timed: they look after their calls themselves.
          break;
        case "prack-timeout":
          // To the application it is as if the caller had given up.
          onCancel({ type: "cancel", leg: event.leg, txn: event.txn }, step, state);
          break;
      }
    },
    async onTimer(name, step) {
      const state = await stateOf(step);
      if (name === REDISPATCH_TIMER) redispatch(step, state, true);
      if (name === ANSWER_TIMER) giveUp(step, state);
    },
    async recover(step) {
      redispatch(step, await stateOf(step), false);
    },
    clientGone(id) {
      for (const [call, owner] of owners.entries()) {
        if (owner !== id) continue;
        owners.delete(call);
        const work = async (step: Step): Promise<void> => {
          const state = await step.load<WireState>();
          if (state && Object.keys(state.pending).length > 0) redispatch(step, state, false);
        };
        context.port.begin(call, work).catch((error: unknown) => {
          log.warn({ error: String(error), call }, "calls of a lost application not handed on");
        });
      }
    },
  };

  function onRequest(event: EventOf<"request">, step: Step, state: WireState): void {
    const { message, txn, leg, dialog, source } = event;
    const { method } = message;
    if (!dialog && (method === "INVITE" || method === "SUBSCRIBE") && message.contacts.length === 0) {
      step.command({ type: "reply", txn, status: 400, reason: "Missing Contact" });
      return;
    }
    const untilMs = clock.now() + (method === "INVITE" ? INVITE_MS : REQUEST_MS);
    const pending: PendingRequest = { leg, dialog, method, text: message.text, source, untilMs };
    const lookUp = !dialog && router?.handles(method) === true ? router : undefined;
    const target = lookUp ? undefined : delivery.targetOf(step, state, method.toLowerCase(), dialog);
    if (!target && !lookUp) {
      context.counters.unrouted++;
      // Without an application the dialog ends all the same; a call attempt may come back when there is one.
      const status = method === "BYE" ? 200 : clients.all.length === 0 ? 480 : 503;
      step.command({ type: "reply", txn, status });
      if (method === "BYE") save(step, ended(state));
      return;
    }
    const owner = target && delivery.ownerOf(target);
    const open = { ...state.pending, [txn]: pending };
    save(step, { ...state, ...(owner ? { owner } : {}), pending: open });
    armAnswer(step, open);
    if (lookUp)
      step.after(() => {
        lookUp.route(step.callId, txn, pending);
      });
    else if (target) delivery.tell(step, target, method.toLowerCase(), bodyOf(context, txn, pending), txn);
    step.after(() => {
      if (method === "INVITE" && !dialog) tellCdr(context, "attempt", "network", longForm(message));
      if (method === "BYE") tellCdr(context, "stop", "network", longForm(message), "normal-release");
    });
  }

  function onCancel(event: EventOf<"cancel">, step: Step, state: WireState): void {
    const pending = state.pending[event.txn];
    const next = withoutPending(state, event.txn);
    save(step, next);
    armAnswer(step, next.pending);
    const invite = pending && parseMessage(pending.text);
    if (!pending || !invite?.ok) return;
    const text = requestLike(invite.message, "CANCEL");
    const peer = endpointOf(pending.source);
    tell(step, state, "cancel", {
      source: "network",
      peer,
      txn: event.txn,
      dialog: event.leg,
      message: text,
    });
    step.after(() => {
      tellCdr(context, "stop", "network", text, "call-canceled");
    });
  }

  function onResponse(event: EventOf<"response">, step: Step, state: WireState): void {
    const { method, status, txn, leg, message } = event;
    const text = longForm(message);
    const first = txn.endsWith("-c1");
    const fails = makesDialog(method) && status >= 300 && first;
    const alone = status >= 200 && !makesDialog(method) && first;
    const over = method === "BYE" && status >= 200;
    const answered = method === "INVITE" && status >= 200 && status < 300;
    const body = { source: "network", peer: endpointOf(context.peers.get(txn)), txn, dialog: leg, message: text } as const; // prettier-ignore
    const target = delivery.targetOf(step, state, method.toLowerCase(), true);
    if (target) delivery.tell(step, target, method.toLowerCase(), body);
    else context.counters.unrouted++;
    if (answered && !target) {
      // The callee is there and nobody acknowledges it: perhaps an application comes back.
      save(step, { ...state, untold: { ...state.untold, [txn]: { leg, text: message.text } } });
      step.timer(REDISPATCH_TIMER, clock.now() + REATTACH_MS);
    } else if (fails || alone || over) save(step, ended(state));
    if (method !== "INVITE" || status < 200) return;
    step.after(() => {
      if (answered) tellCdr(context, "start", "network", text, "uac");
      else if (first)
        tellCdr(context, "stop", "network", text, status === 487 ? "call-canceled" : "call-rejected");
    });
  }

  function onAckTimeout(leg: LegId, step: Step, state: WireState): void {
    const text = state.unacknowledged?.[leg];
    save(step, ended(state));
    if (text === undefined) return;
    const message = text;
    tell(step, state, "bye", {
      source: "application",
      peer: NO_ENDPOINT,
      txn: "unsolicited",
      dialog: leg,
      message,
    });
    step.after(() => {
      tellCdr(context, "stop", "application", text, "system-initiated-termination");
    });
  }

  /** Sends open requests again: their application is gone, or was told by a process that is. */
  function redispatch(step: Step, before: WireState, last: boolean): void {
    let state = before;
    let again = false;
    for (const [txn, pending] of Object.entries(before.pending)) {
      const { method, dialog } = pending;
      const verb = method.toLowerCase();
      const lookUp = !dialog && router?.handles(method) === true ? router : undefined;
      const target = lookUp ? undefined : delivery.targetOf(step, state, verb, dialog, true);
      if (lookUp)
        step.after(() => {
          lookUp.route(step.callId, txn, pending);
        });
      else if (target) {
        const owner = delivery.ownerOf(target);
        if (owner) state = { ...state, owner };
        delivery.tell(step, target, verb, bodyOf(context, txn, pending), txn);
      } else if (last) {
        step.command({ type: "reply", txn, status: method === "BYE" ? 200 : 480 });
        state = withoutPending(state, txn);
      } else again = true;
    }
    for (const [txn, { leg, text }] of Object.entries(before.untold ?? {})) {
      const target = delivery.targetOf(step, state, "invite", true, true);
      const parsed = parseMessage(text);
      if (target && parsed.ok) {
        const message = longForm(parsed.message);
        delivery.tell(step, target, "invite", {
          source: "network",
          peer: NO_ENDPOINT,
          txn,
          dialog: leg,
          message,
        });
      } else if (last) {
        // Nobody came back: the callee is acknowledged and hung up (RFC 3261 §13.2.2.4).
        step.command({ type: "ack", leg });
        step.command({ type: "in-dialog", leg, method: "BYE" });
      } else again = true;
      if (target ?? last) state = withoutUntold(state);
    }
    if (again) step.timer(REDISPATCH_TIMER, clock.now() + REATTACH_MS);
    save(step, state);
  }

  /** Answers what an application has had for too long. */
  function giveUp(step: Step, state: WireState): void {
    let next = state;
    for (const [txn, { untilMs }] of Object.entries(state.pending)) {
      if (untilMs > clock.now()) continue;
      step.command({ type: "reply", txn, status: 480 });
      next = withoutPending(next, txn);
    }
    save(step, next);
    armAnswer(step, next.pending);
  }

  /** Tells who has the call what needs no answer. */
  function tell(step: Step, state: WireState, verb: string, body: Body): void {
    const target = delivery.targetOf(step, state, verb, true);
    if (target) delivery.tell(step, target, verb, body);
    else context.counters.unrouted++;
  }
}
