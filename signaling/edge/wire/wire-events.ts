import { buildRequest } from "#signaling/edge/message/build.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import { serverTxnId } from "#signaling/edge/engine/ids.ts";
import type { LegId, SipEvent, SipHandler, Step, TxnId } from "#signaling/sip-port/sip-port.ts";
import type { WireClient } from "./clients.ts";
import { endpointOf, newFrameId, sendTo, tellCdr, type WireContext } from "./context.ts";
import { longForm } from "./long-form.ts";
import { encodeSipFrame, NO_ENDPOINT, type SipFrame } from "./server-frame.codec.ts";
import {
  acknowledged,
  isIdle,
  NEW_CALL,
  withoutOwner,
  withoutPending,
  type PendingInvite,
  type WireState,
} from "./wire-state.ts";

type Event<T extends SipEvent["type"]> = Extract<SipEvent, { type: T }>;
type Target =
  | { readonly kind: "here"; readonly client: WireClient }
  | { readonly kind: "elsewhere"; readonly instance: string; readonly connection: string };

/** An application that took an INVITE and never answers does not hold the caller for ever (timer C, RFC 3261 §16.6). */
const ANSWER_MS = 185_000;
/** An application that restarts connects again within this time. */
const REATTACH_MS = 2_000;
export const ANSWER_TIMER = "wire-answer";
const REDISPATCH_TIMER = "wire-redispatch";

export interface WireEvents extends SipHandler {
  /** Gives the open INVITEs of a client that is gone to others. */
  clientGone(id: string): void;
}

/** The edge's events as frames for the attached applications. */
export function createWireEvents(context: WireContext): WireEvents {
  const { clients, clock, owners, log } = context;

  return {
    async onEvent(event, step) {
      const state = (await step.load<WireState>()) ?? NEW_CALL;
      switch (event.type) {
        case "request":
          onRequest(event, step, state);
          break;
        case "ack": {
          save(step, acknowledged(state, event.leg));
          const txn = serverTxnId(event.leg, event.message.cseq.seq);
          deliver(step, state, "ack", true, {
            source: "network",
            peer: NO_ENDPOINT,
            txn,
            dialog: event.leg,
            message: longForm(event.message),
          });
          break;
        }
        case "cancel":
          onCancel(event, step, state);
          break;
        case "response":
          onResponse(event, step, state);
          break;
        case "ack-timeout":
          onAckTimeout(event.leg, step, state);
          break;
        case "prack-timeout":
          // To the application it is as if the caller had given up.
          onCancel({ type: "cancel", leg: event.leg, txn: event.txn }, step, state);
          break;
      }
    },
    async onTimer(name, step) {
      const state = (await step.load<WireState>()) ?? NEW_CALL;
      if (name === REDISPATCH_TIMER) redispatch(step, state, true);
      if (name !== ANSWER_TIMER) return;
      for (const txn of Object.keys(state.pending)) step.command({ type: "reply", txn, status: 480 });
      save(step, { ...state, pending: {} });
    },
    async recover(step) {
      redispatch(step, (await step.load<WireState>()) ?? NEW_CALL, false);
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

  function onRequest(event: Event<"request">, step: Step, state: WireState): void {
    const { message, txn, leg, dialog, source } = event;
    const { method } = message;
    if (!dialog && (method === "INVITE" || method === "SUBSCRIBE") && message.contacts.length === 0) {
      step.command({ type: "reply", txn, status: 400, reason: "Missing Contact" });
      return;
    }
    const target = targetOf(step, state, method.toLowerCase(), dialog);
    if (!target) {
      context.counters.unrouted++;
      // Without an application the dialog ends all the same; a call attempt may come back when there is one.
      step.command({
        type: "reply",
        txn,
        status: method === "BYE" ? 200 : clients.all.length === 0 ? 480 : 503,
      });
      if (method === "BYE") save(step, NEW_CALL);
      return;
    }
    if (method === "INVITE") {
      const pending = { ...state.pending, [txn]: { leg, dialog, text: message.text, source } };
      save(step, { ...state, owner: ownerOf(target), pending });
      step.timer(ANSWER_TIMER, clock.now() + ANSWER_MS);
    } else if (method === "BYE") save(step, NEW_CALL);
    const text = longForm(message);
    sendAfter(step, target, method.toLowerCase(), requestFrame(txn, leg, dialog, text, source), txn);
    step.after(() => {
      if (method === "INVITE" && !dialog) tellCdr(context, "attempt", "network", text);
      if (method === "BYE") tellCdr(context, "stop", "network", text, "normal-release");
    });
  }

  function onCancel(event: Event<"cancel">, step: Step, state: WireState): void {
    const pending = state.pending[event.txn];
    save(step, withoutPending(state, event.txn));
    step.timer(ANSWER_TIMER, undefined);
    const invite = pending && parseMessage(pending.text);
    if (!pending || !invite?.ok) return;
    const text = requestLike(invite.message, "CANCEL");
    deliver(step, state, "cancel", true, {
      source: "network",
      peer: endpointOf(pending.source),
      txn: event.txn,
      dialog: event.leg,
      message: text,
    });
    step.after(() => {
      tellCdr(context, "stop", "network", text, "call-canceled");
    });
  }

  function onResponse(event: Event<"response">, step: Step, state: WireState): void {
    const { method, status, txn, leg, message } = event;
    const text = longForm(message);
    const peer = endpointOf(context.peers.get(txn));
    const fails = method === "INVITE" && status >= 300;
    const alone = status >= 200 && !["INVITE", "SUBSCRIBE", "REFER"].includes(method) && txn.endsWith("-c1");
    const over = method === "BYE" && status >= 200;
    if ((fails && txn.endsWith("-c1")) || alone || over) save(step, { ...NEW_CALL, pending: state.pending });
    deliver(step, state, method.toLowerCase(), true, {
      source: "network",
      peer,
      txn,
      dialog: leg,
      message: text,
    });
    if (method === "INVITE" && status >= 200 && status < 300)
      step.after(() => {
        tellCdr(context, "start", "network", text, "uac");
      });
  }

  function onAckTimeout(leg: LegId, step: Step, state: WireState): void {
    const text = state.unacknowledged?.[leg];
    save(step, { ...NEW_CALL, pending: state.pending });
    if (text === undefined) return;
    deliver(step, state, "bye", true, {
      source: "application",
      peer: NO_ENDPOINT,
      txn: "unsolicited",
      dialog: leg,
      message: text,
    });
    step.after(() => {
      tellCdr(context, "stop", "application", text, "ackTimeout");
    });
  }

  /** Sends open INVITEs again: their application is gone, or was told by a process that is. */
  function redispatch(step: Step, state: WireState, last: boolean): void {
    for (const [txn, pending] of Object.entries(state.pending)) {
      const parsed = parseMessage(pending.text);
      const target = targetOf(step, withoutOwner(state), "invite", pending.dialog);
      if (target && parsed.ok) {
        save(step, { ...state, owner: ownerOf(target) });
        const frame = requestFrame(
          txn,
          pending.leg,
          pending.dialog,
          longForm(parsed.message),
          pending.source,
        );
        sendAfter(step, target, "invite", frame, txn);
      } else if (last) {
        step.command({ type: "reply", txn, status: 480 });
        save(step, withoutPending(state, txn));
      } else step.timer(REDISPATCH_TIMER, clock.now() + REATTACH_MS);
    }
  }

  function requestFrame(
    txn: TxnId,
    leg: LegId,
    dialog: boolean,
    message: string,
    source: PendingInvite["source"],
  ): Body {
    const peer = endpointOf(source);
    const base = { source: "network" as const, peer, txn, message };
    return dialog ? { ...base, dialog: leg } : { ...base, dialog: "", receivedOn: context.port.advertised };
  }

  /** Sends what needs no answer, to whoever has the call. */
  function deliver(step: Step, state: WireState, verb: string, dialog: boolean, body: Body): void {
    const target = targetOf(step, state, verb, dialog);
    if (target) sendAfter(step, target, verb, body);
    else context.counters.unrouted++;
  }

  /** Who is told: the connection that has the call, or, outside dialogs and when it is gone, the next one that asked for it. */
  function targetOf(step: Step, state: WireState, verb: string, dialog: boolean): Target | undefined {
    const remembered = owners.get(step.callId);
    const known = remembered === undefined ? undefined : clients.byId(remembered);
    if (dialog && known) return { kind: "here", client: known };
    const { owner } = state;
    if (owner?.instance === context.instance) {
      const client = clients.byId(owner.connection);
      if (client) return { kind: "here", client };
    } else if (owner) return { kind: "elsewhere", ...owner };
    const client = clients.next(verb) ?? (dialog ? clients.next("invite") : undefined);
    return client && { kind: "here", client };
  }

  function ownerOf(target: Target): { instance: string; connection: string } {
    return target.kind === "elsewhere"
      ? { instance: target.instance, connection: target.connection }
      : { instance: context.instance, connection: target.client.id };
  }

  function sendAfter(step: Step, target: Target, verb: string, body: Body, answerTo?: TxnId): void {
    const { callId } = step;
    step.after(() => {
      const frame = encodeSipFrame({ ...body, id: newFrameId(), nowMs: clock.now() });
      if (frame === undefined) {
        refuse(callId, answerTo, 513);
      } else if (target.kind === "here") {
        owners.set(callId, target.client.id);
        if (!sendTo(context, target.client, frame)) refuse(callId, answerTo, 503);
      } else void forward(callId, target, verb, frame, answerTo);
    });
  }

  async function forward(
    call: string,
    target: Extract<Target, { kind: "elsewhere" }>,
    verb: string,
    frame: string,
    answerTo?: TxnId,
  ) {
    context.counters.forwarded++;
    if (await context.forward(target.instance, target.connection, frame).catch(() => false)) return;
    const client = clients.next(verb) ?? clients.next("invite");
    if (client && sendTo(context, client, frame)) owners.set(call, client.id);
    else refuse(call, answerTo, 480);
  }

  function refuse(call: string, txn: TxnId | undefined, status: number): void {
    if (txn === undefined) return;
    const work = (step: Step): Promise<void> => {
      step.command({ type: "reply", txn, status });
      return Promise.resolve();
    };
    context.port.begin(call, work).catch((error: unknown) => {
      log.warn({ error: String(error), call }, "request not refused");
    });
  }
}

type Body = Omit<SipFrame, "id" | "nowMs">;

/** Writes the record; nothing is left of it when there is nothing to know. */
export function save(step: Step, state: WireState): void {
  step.save(isIdle(state) ? undefined : state);
}

/** A request that shares the dialog identifiers of an INVITE: its CANCEL, or a BYE by its callee. */
export function requestLike(invite: SipMessage, method: string): string {
  const copied = ["Via", "From", "To", "Call-ID"].map((name) => [name, invite.header(name) ?? ""] as const);
  const headers = [...copied, ["CSeq", `${invite.cseq.seq} ${method}`], ["Max-Forwards", "70"]] as const;
  return buildRequest({ method, uri: invite.uri, headers });
}
