import type {
  CallId,
  Flow,
  LegId,
  NonceUse,
  Registration,
  SipCommand,
  TxnId,
} from "#signaling/sip-port/sip-port.ts";
import type { SessionTerms, SessionTimer } from "#signaling/edge/dialog/session-timer.ts";
import type { DialogRecord } from "#signaling/edge/dialog/dialog.ts";
import type * as InviteClient from "#signaling/edge/transaction/invite-client.machine.ts";
import type * as InviteServer from "#signaling/edge/transaction/invite-server.machine.ts";
import type * as NonInviteClient from "#signaling/edge/transaction/non-invite-client.machine.ts";
import type * as NonInviteServer from "#signaling/edge/transaction/non-invite-server.machine.ts";
import type {
  Reliability,
  ReliableProvisionals,
} from "#signaling/edge/transaction/reliable-provisional.machine.ts";
import type { ProxyRecord } from "#signaling/edge/proxy/proxy-record.ts";

/**
 * Everything that an instance must know to carry on with a call. Plain JSON: it lives in Redis, and whatever process the
 * next message meets reads it there. Messages in it are the bytes that were sent, or the headers that an answer needs.
 */
export interface CallRecord {
  readonly call: CallId;
  /** The instance that committed last: whose death leaves an unfinished call to others. */
  readonly worker: string;
  /** Instances that had it in hand shortly before, and when the next one committed (epoch ms): see `workers.ts`. */
  readonly former?: Readonly<Record<string, number>>;
  /** Commits so far: which of two records of a call is the later one. */
  readonly steps?: number;
  /** The latest detail records by the step that wrote them, for Redis may lose those with its master. */
  readonly details?: readonly (readonly [step: number, detail: string])[];
  readonly legs: Readonly<Record<string, LegRecord>>;
  /** Call control's timers: name → epoch ms. */
  readonly timers: Readonly<Record<string, number>>;
  /** How long call control lets the record live untouched. */
  readonly ttlMs?: number;
  /** Set when the call is forwarded as by a proxy: then its legs are transactions only, none has a dialog. */
  readonly proxy?: ProxyRecord;
}

export interface LegRecord {
  readonly leg: LegId;
  readonly dialog?: DialogRecord;
  /** Of a peer that is reached over a connection: what the leg follows when that is lost. */
  readonly registration?: Registration;
  /** Whose credentials answer the peer's challenges, and for how many requests the last nonce has served. */
  readonly account?: { readonly name: string; readonly nonce?: NonceUse };
  readonly servers: readonly ServerTxn[];
  readonly clients: readonly ClientTxn[];
  /** How long the dialog lives without a sign of life of the peer (RFC 4028). */
  readonly session?: SessionTimer;
  /** Where the peer last wanted its media; kept only where a re-INVITE of ours refreshes, whose answer may say otherwise. */
  readonly place?: string;
  /** Early dialogs of our INVITE beside the latest one, by To-tag: something behind the next hop forks (RFC 3261 §12.1.2). */
  readonly forks?: Readonly<Record<string, DialogRecord>>;
  /** CSeq of the last INVITE of the peer that is over and done: what still arrives of it is absorbed. */
  readonly doneInvite?: number;
}

/** What a response is made of, beside what follows from its request. */
export type Answer = Omit<Extract<SipCommand, { type: "reply" }>, "type" | "txn">;

interface ServerTxnBase {
  readonly id: TxnId;
  readonly method: string;
  readonly seq: number;
  /** Branch and sent-by: what a retransmission and a CANCEL have in common with the request. */
  readonly key: string;
  /** Where responses go. */
  readonly flow: Flow;
  /** The request without its body and what no response repeats; dropped with the response when nobody needs them. */
  readonly request?: string;
  /** Until the final response: what an INVITE or UPDATE says of session timers. */
  readonly terms?: SessionTerms;
  /** The last response as it was sent. */
  readonly response?: string;
}
export type InviteServerTxn = ServerTxnBase & {
  readonly kind: "invite-server";
  readonly state: InviteServer.State;
  /** Until the final response: the caller can do reliable provisional responses. */
  readonly reliability?: Reliability;
  readonly provisionals?: ReliableProvisionals<Answer>;
};
export type NonInviteServerTxn = ServerTxnBase & {
  readonly kind: "server";
  readonly state: NonInviteServer.State;
};
export type ServerTxn = InviteServerTxn | NonInviteServerTxn;

interface ClientTxnBase {
  readonly id: TxnId;
  readonly method: string;
  readonly seq: number;
  readonly flow: Flow;
  /** The request as it was sent. */
  readonly request: string;
  /** Where it goes when this target fails, best first (RFC 3263 §4.3). */
  readonly others?: readonly Flow[];
  /** The id that call control knows it by, when it is not the first try. */
  readonly as?: TxnId;
  /** It asks for a sign of life: call control is not told of its end. */
  readonly refresh?: true;
  /** When a peer that has said nothing at all is given up, epoch ms. */
  readonly patientUntilMs?: number;
  /** How long that was when it was sent, for whoever sends it again. */
  readonly patienceMs?: number;
  /** How often it was sent again because the peer wanted to know who we are. */
  readonly repeated?: number;
  /** It never left: its peer's connection was gone, and is awaited until then. */
  readonly lost?: true;
}
export type InviteClientTxn = ClientTxnBase & {
  readonly kind: "invite-client";
  readonly state: InviteClient.State;
  /** The ACK as it was sent, for responses that come again, and where to. */
  readonly ack?: string;
  readonly ackFlow?: Flow;
  /** To-tag of the 2xx that made the dialog; others are forks. */
  readonly toTag?: string;
  /** RSeq of the latest reliable provisional response, by To-tag (RFC 3262 §4). */
  readonly rseqs?: Readonly<Record<string, number>>;
};
export type NonInviteClientTxn = ClientTxnBase & {
  readonly kind: "client";
  readonly state: NonInviteClient.State;
};
export type ClientTxn = InviteClientTxn | NonInviteClientTxn;

/** A record as text: the edge's part, then call control's, which is passed through unread. */
export interface CallBody {
  readonly record: CallRecord;
  /** Call control's: plain JSON that nobody changes in place, undefined for none. Read and written by it alone. */
  readonly state: unknown;
}

/** JSON never holds a line feed, so one divides the two parts. */
const DIVIDER = "\n";

export const encodeBody = ({ record, state }: CallBody): string =>
  JSON.stringify(record) + DIVIDER + (state === undefined ? "" : JSON.stringify(state));

export function decodeBody(body: string): CallBody {
  const at = body.indexOf(DIVIDER);
  const state = body.slice(at + 1);
  return {
    record: JSON.parse(body.slice(0, at)) as CallRecord,
    state: state === "" ? undefined : JSON.parse(state),
  };
}

/** The record of a call that nobody has written yet. */
export const emptyCall = (call: CallId): CallRecord => ({ call, worker: "", legs: {}, timers: {} });
