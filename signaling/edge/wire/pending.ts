import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Step, TxnId } from "#signaling/sip-port/sip-port.ts";
import { endpointOf, type WireContext } from "./context.ts";
import type { Body } from "./delivery.ts";
import { longForm } from "./long-form.ts";
import type { PendingRequest, WireState } from "./wire-state.ts";

/** The timer of requests that an application does not answer. */
export const ANSWER_TIMER = "wire-answer";

/** One timer for the request that is given up next. */
export function armAnswer(step: Step, pending: WireState["pending"]): void {
  const next = Math.min(...Object.values(pending).map(({ untilMs }) => untilMs));
  step.timer(ANSWER_TIMER, Number.isFinite(next) ? next : undefined);
}

/** A request as it is told to an application. */
export function bodyOf(context: WireContext, txn: TxnId, pending: PendingRequest): Body {
  const parsed = parseMessage(pending.text);
  const message = parsed.ok ? longForm(parsed.message) : pending.text;
  const base = { source: "network" as const, peer: endpointOf(pending.source), txn, message };
  return pending.dialog
    ? { ...base, dialog: pending.leg }
    : { ...base, dialog: "", receivedOn: context.port.advertised };
}
