import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import { bestFailure } from "#signaling/calls/call/best-failure.ts";
import { routesOf } from "#signaling/calls/call/user-call-branch.ts";
import { sip, type Effect } from "#signaling/calls/call/effect.ts";
import type { CallEvent, Destination } from "#signaling/calls/call/call-event.ts";
import type { LegId, TxnId } from "#signaling/sip-port/sip-port.ts";

/** A text on its way to every contact of one user (RFC 3428 §7): the first that takes it answers for all. */
export type MessageRelay =
  | {
      readonly kind: "message";
      readonly name: "relaying";
      readonly txn: TxnId;
      readonly open: readonly LegId[];
      readonly failed: readonly number[];
    }
  | { readonly kind: "message"; readonly name: "gone" };

export interface Text {
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly contentType: string;
}

const to = (state: MessageRelay, ...effects: Effect[]): Step<MessageRelay, Effect> => ({ state, effects });
const GONE: MessageRelay = { kind: "message", name: "gone" };

/** One MESSAGE to a contact. */
export const textTo = (
  leg: LegId,
  { uri, flow, path }: Destination,
  { from, to: recipient, body, contentType }: Text,
): Effect =>
  sip({
    type: "request",
    leg,
    method: "MESSAGE",
    uri,
    from,
    to: recipient,
    flow,
    headers: routesOf(path),
    body,
    contentType,
  });

export function startMessageRelay(
  call: string,
  txn: TxnId,
  destinations: readonly Destination[],
  text: Text,
): Step<MessageRelay, Effect> {
  const legs = destinations.map((destination, i) => ({ destination, leg: `${call}.${i + 1}` }));
  return to(
    { kind: "message", name: "relaying", txn, open: legs.map(({ leg }) => leg), failed: [] },
    ...legs.map(({ leg, destination }) => textTo(leg, destination, text)),
  );
}

export const table = {
  relaying: {
    response: (state, { leg, status, local }) => {
      if (status < 200 || !state.open.includes(leg)) return to(state);
      const answer = (code: number) => sip({ type: "reply", txn: state.txn, status: code });
      if (status < 300) return to(GONE, answer(status));
      const open = state.open.filter((one) => one !== leg);
      const failed = [...state.failed, local ? 480 : status];
      return open.length > 0 ? to({ ...state, open, failed }) : to(GONE, answer(bestFailure(failed)));
    },
  },
  gone: {},
} satisfies TransitionTable<MessageRelay, CallEvent, Effect>;

export const stepMessageRelay = stepper<MessageRelay, CallEvent, Effect>(table);
