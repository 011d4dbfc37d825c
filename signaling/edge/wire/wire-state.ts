import type { Flow, LegId, TxnId } from "#signaling/sip-port/sip-port.ts";

/** An INVITE that no application has answered for good: enough to give it to another one, and to tell of its CANCEL. */
export interface PendingInvite {
  readonly leg: LegId;
  readonly dialog: boolean;
  /** The whole request. */
  readonly text: string;
  readonly source: Flow;
}

/** What drachtio clients need remembered of a call, beside the edge's own record. Plain JSON. */
export interface WireState {
  /** The connection that has the call. */
  readonly owner?: { readonly instance: string; readonly connection: string };
  readonly pending: Readonly<Record<TxnId, PendingInvite>>;
  /** 2xx without ACK, headers only: from it the BYE of an ACK timeout is told. */
  readonly unacknowledged?: Readonly<Record<LegId, string>>;
}

export const NEW_CALL: WireState = { pending: {} };

/** True when nothing is worth keeping. */
export const isIdle = (state: WireState): boolean =>
  state.owner === undefined && Object.keys(state.pending).length === 0 && state.unacknowledged === undefined;

/** The state without one pending INVITE. */
export const withoutPending = (state: WireState, txn: TxnId): WireState => ({
  ...state,
  pending: without(state.pending, txn),
});

/** The state without the connection that had the call. */
export function withoutOwner({ pending, unacknowledged }: WireState): WireState {
  return { ...NEW_CALL, pending, ...(unacknowledged === undefined ? {} : { unacknowledged }) };
}

/** The state without what awaits the ACK of a leg. */
export function acknowledged(state: WireState, leg: LegId): WireState {
  if (state.unacknowledged?.[leg] === undefined) return state;
  const unacknowledged = without(state.unacknowledged, leg);
  const owner = state.owner === undefined ? {} : { owner: state.owner };
  return {
    ...NEW_CALL,
    ...owner,
    pending: state.pending,
    ...(Object.keys(unacknowledged).length === 0 ? {} : { unacknowledged }),
  };
}

const without = <Value>(record: Readonly<Record<string, Value>>, name: string): Record<string, Value> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
