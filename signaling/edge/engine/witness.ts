import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { CallId, Flow } from "#signaling/sip-port/sip-port.ts";
import type { Outgoing } from "./draft.ts";

/** What the engine does with a call besides messages. */
export type Mark = "adopted" | "handed-over" | "restored" | "conflict" | "timer" | "timeout" | "not-sent";

/** Who looks on while calls are handled. Told on the path of every message: it notes, and does its work later. */
export interface Witness {
  received(call: CallId, message: SipMessage, flow: Flow): void;
  sent(call: CallId, message: Outgoing): void;
  mark(call: CallId, mark: Mark, detail?: string): void;
}

/** Tells all of them. */
export function witnesses(all: readonly Witness[]): Witness | undefined {
  const [first, second] = all;
  if (!first || !second) return first;
  return {
    received(call, message, flow) {
      for (const each of all) each.received(call, message, flow);
    },
    sent(call, message) {
      for (const each of all) each.sent(call, message);
    },
    mark(call, mark, detail) {
      for (const each of all) each.mark(call, mark, detail);
    },
  };
}

/** Nobody looks on. */
export const NO_WITNESS: Witness = {
  received: () => undefined,
  sent: () => undefined,
  mark: () => undefined,
};
