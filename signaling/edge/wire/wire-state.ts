import type { Flow, LegId, Step, TxnId } from "#signaling/sip-port/sip-port.ts";

/** A request that no application has answered for good: enough to give it to another one, to forward it, and to tell of its CANCEL. */
export interface PendingRequest {
  readonly leg: LegId;
  readonly dialog: boolean;
  readonly method: string;
  /** The whole request. */
  readonly text: string;
  readonly source: Flow;
  /** Nobody waits longer for an answer. */
  readonly untilMs: number;
}

/** The connection that has a call. */
export interface Owner {
  readonly instance: string;
  readonly connection: string;
  /** What the application calls itself: another one of these names may carry on. */
  readonly tags?: readonly string[];
  /** Where we connected to it, when it was us who connected. */
  readonly uri?: string;
}

/** What drachtio clients need remembered of a call, beside the edge's own record. Plain JSON. */
export interface WireState {
  readonly owner?: Owner;
  readonly pending: Readonly<Record<TxnId, PendingRequest>>;
  /** 2xx without ACK, headers only: from it the BYE of an ACK timeout is told. */
  readonly unacknowledged?: Readonly<Record<LegId, string>>;
  /** 2xx to requests of an application that was gone when they came: whole messages. */
  readonly untold?: Readonly<Record<TxnId, { readonly leg: LegId; readonly text: string }>>;
  /** The call is forwarded: who is told how far it got, by the frame that asked for it. */
  readonly proxied?: { readonly frame: string; readonly full: boolean };
}

export const NEW_CALL: WireState = { pending: {} };

/** Writes the record; nothing is left of it when there is nothing to know. */
export function save(step: Step, state: WireState): void {
  step.save(isIdle(state) ? undefined : state);
}

/** True when nothing is worth keeping. */
export const isIdle = (state: WireState): boolean =>
  Object.keys(state.pending).length === 0 && Object.keys(state).length === 1;

/** The state without one pending request. */
export const withoutPending = (state: WireState, txn: TxnId): WireState => ({
  ...state,
  pending: without(state.pending, txn),
});

/** Only what is still open: the call itself has ended. */
export const ended = ({ pending }: WireState): WireState => ({ pending });

/** The state without what awaits the ACK of a leg. */
export function acknowledged(state: WireState, leg: LegId): WireState {
  if (state.unacknowledged?.[leg] === undefined) return state;
  const { unacknowledged, ...rest } = state;
  const left = without(unacknowledged, leg);
  return Object.keys(left).length === 0 ? rest : { ...rest, unacknowledged: left };
}

/** The state without responses that were to be told. */
export function withoutUntold({ untold: _told, ...rest }: WireState): WireState {
  return rest;
}

const without = <Value>(record: Readonly<Record<string, Value>>, name: string): Record<string, Value> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
