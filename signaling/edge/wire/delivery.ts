import type { SipEvent, Step, TxnId } from "#signaling/sip-port/sip-port.ts";
import type { WireClient } from "./clients.ts";
import { newFrameId, sendTo, type WireContext } from "./context.ts";
import { encodeSipFrame, type SipFrame } from "./server-frame.codec.ts";
import type { Owner, WireState } from "./wire-state.ts";

/** Who is told. */
export type Target =
  | { readonly kind: "here"; readonly client: WireClient }
  /** A connection of another process. */
  | { readonly kind: "elsewhere"; readonly owner: Owner }
  /** An application that we connect to. */
  | { readonly kind: "outbound"; readonly uri: string }
  /** Whoever is attached to another process and asked for it. */
  | { readonly kind: "anywhere"; readonly tags: readonly string[] };

export type Body = Omit<SipFrame, "id" | "nowMs">;

export interface Delivery {
  /** The connection that has the call; when it is gone another application of its name; outside dialogs the next one in turn. */
  targetOf(
    step: Step,
    state: WireState,
    verb: string,
    dialog: boolean,
    ownerGone?: boolean,
  ): Target | undefined;
  /** The owner that a target makes; undefined while it is not known who will take it. */
  ownerOf(target: Target): Owner | undefined;
  /**
   * Tells it once the step is committed.
   *
   * @param answerTo the request that is refused when nobody could be told
   */
  tell(step: Step, target: Target, verb: string, body: Body, answerTo?: TxnId): void;
  /** Tells a particular connection something that is lost when it is gone. */
  notify(owner: Owner, frame: string | undefined): void;
  /** Answers a request in a step of its own. */
  refuse(call: string, txn: TxnId | undefined, status: number): void;
}

export function createDelivery(context: WireContext): Delivery {
  const { clients, clock, owners, log } = context;

  const nextOf = (verb: string, dialog: boolean, tags: readonly string[]): WireClient | undefined =>
    clients.next(verb, tags) ?? (dialog ? clients.next("invite", tags) : undefined);

  const delivery: Delivery = {
    targetOf(step, state, verb, dialog, ownerGone = false) {
      const remembered = owners.get(step.callId);
      const known = remembered === undefined ? undefined : clients.byId(remembered);
      if (dialog && known) return { kind: "here", client: known };
      const { owner } = state;
      if (owner?.instance === context.instance) {
        const client = clients.byId(owner.connection);
        if (client) return { kind: "here", client };
      } else if (owner && !ownerGone) return { kind: "elsewhere", owner };
      if (owner?.uri !== undefined) return { kind: "outbound", uri: owner.uri };
      const tags = owner?.tags ?? [];
      const client = nextOf(verb, dialog, tags);
      if (client) return { kind: "here", client };
      return context.others().length > 0 ? { kind: "anywhere", tags } : undefined;
    },
    ownerOf(target) {
      switch (target.kind) {
        case "here":
          return ownerOfClient(context.instance, target.client);
        case "elsewhere":
          return target.owner;
        case "outbound":
        case "anywhere":
          return undefined;
      }
    },
    tell(step, target, verb, body, answerTo) {
      const { callId } = step;
      step.after(() => {
        const frame = encodeSipFrame({ ...body, id: newFrameId(), nowMs: clock.now() });
        if (frame === undefined) delivery.refuse(callId, answerTo, 513);
        else void send(callId, target, verb, frame, answerTo);
      });
    },
    notify(owner, frame) {
      if (frame === undefined) return;
      const client = owner.instance === context.instance ? clients.byId(owner.connection) : undefined;
      if (client) sendTo(context, client, frame);
      else if (owner.instance !== context.instance)
        void context.forward(owner.instance, owner.connection, frame, "").catch(() => false);
    },
    refuse(call, txn, status) {
      if (txn === undefined) return;
      const work = (step: Step): Promise<void> => {
        step.command({ type: "reply", txn, status });
        return Promise.resolve();
      };
      context.port.begin(call, work).catch((error: unknown) => {
        log.warn({ error: String(error), call }, "request not refused");
      });
    },
  };
  return delivery;

  async function send(
    call: string,
    target: Target,
    verb: string,
    frame: string,
    answerTo?: TxnId,
  ): Promise<void> {
    switch (target.kind) {
      case "here":
        owners.set(call, target.client.id);
        if (!sendTo(context, target.client, frame)) delivery.refuse(call, answerTo, 503);
        return;
      case "elsewhere": {
        const { instance, connection, tags = [] } = target.owner;
        context.counters.forwarded++;
        if (await context.forward(instance, connection, frame, call).catch(() => false)) return;
        if (await sendToAny(call, verb, tags, frame)) return;
        break;
      }
      case "outbound": {
        const client = await context.connectTo(target.uri).catch(() => undefined);
        if (client) {
          owners.set(call, client.id);
          if (sendTo(context, client, frame)) return;
        }
        break;
      }
      case "anywhere":
        if (await sendToAny(call, verb, target.tags, frame)) return;
        break;
    }
    context.counters.unrouted++;
    delivery.refuse(call, answerTo, 480);
  }

  /** Another application of these tags: one of ours, else one of another process. */
  async function sendToAny(
    call: string,
    verb: string,
    tags: readonly string[],
    frame: string,
  ): Promise<boolean> {
    const client = nextOf(verb, true, tags);
    if (client && sendTo(context, client, frame)) {
      owners.set(call, client.id);
      return true;
    }
    for (const instance of context.others()) {
      context.counters.forwarded++;
      if (await context.forwardToAny(instance, verb, tags, frame, call).catch(() => false)) return true;
    }
    return false;
  }
}

export const ownerOfClient = (instance: string, { id, tags, uri }: WireClient): Owner => ({
  instance,
  connection: id,
  ...(tags.length === 0 ? {} : { tags }),
  ...(uri === undefined ? {} : { uri }),
});

/** Methods that make a dialog when they succeed: whoever sent one is told what comes of it. */
export const makesDialog = (method: string): boolean =>
  method === "INVITE" || method === "SUBSCRIBE" || method === "REFER";

export type EventOf<T extends SipEvent["type"]> = Extract<SipEvent, { type: T }>;
