import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { SessionSettings } from "#signaling/edge/dialog/session-timer.ts";
import type { SipUri } from "#signaling/edge/message/uri.ts";
import type {
  CallId,
  Flow,
  LegId,
  Registration,
  SipEvent,
  Transport,
  TxnId,
} from "#signaling/sip-port/sip-port.ts";
import { legIdOf } from "./ids.ts";
import type { CallBody, CallRecord, ClientTxn, LegRecord, ServerTxn } from "./record.ts";

/** A message that leaves once the step is committed. */
export interface Outgoing {
  readonly flow: Flow;
  readonly text: string;
  readonly method: string;
  /** 0 for requests. */
  readonly status: number;
  /** The transaction that is told when it cannot be sent. */
  readonly txn?: TxnId;
  /** Of an answer, an ACK or a CANCEL, which nobody is told of: the transaction that it belongs to. */
  readonly of?: TxnId;
  readonly retransmission?: boolean;
}

/** What a step must know of the world; nothing in it waits. */
export interface StepContext {
  readonly nowMs: number;
  /** What Allow says, when whoever handles the calls serves less than the edge knows. */
  readonly allow?: string;
  /** `host:port` of the cluster for messages by this transport. */
  advertised(transport: Transport): string;
  /** That address leads to any instance, not to this one alone. */
  readonly forCluster?: boolean;
  /** Undefined: dialogs are not timed. */
  readonly session?: SessionSettings;
}

/** A request whose next hop has to be looked up before it can be written. */
export interface Lookup {
  readonly uri: SipUri;
  write(flow: Flow, others?: readonly Flow[]): void;
  /** The host does not resolve. */
  fail(): void;
}

/** A leg that follows a registration, and the flow it is reached by now. */
export interface Follow extends Registration {
  readonly leg: LegId;
  readonly flow?: Flow;
}

/**
 * The working copy of one call in one step. Everything that receives, answers and sends changes it and nothing else, so a
 * step that lost a race is thrown away and done again on what the winner left.
 */
export class Draft {
  readonly call: CallId;
  readonly context: StepContext;
  /** Of the record that the step began on; undefined when there was none. */
  readonly revision: string | undefined;
  record: CallRecord;
  /** Call control's, plain JSON; undefined for none. */
  state: unknown;
  readonly outgoing: Outgoing[] = [];
  readonly details: string[] = [];
  /** What the commit takes for done. */
  readonly ahead: (() => Promise<void>)[] = [];
  readonly effects: (() => void)[] = [];
  readonly lookups: Lookup[] = [];
  /** Legs whose connection is to be noted under their registration, or struck there when `flow` is missing. */
  readonly follows: Follow[] = [];
  /** Events that follow from commands of this step; each gets a step of its own. */
  readonly followUps: SipEvent[] = [];
  /** Finished transactions by kind and outcome, for counting. */
  readonly ended: { readonly kind: ServerTxn["kind"] | ClientTxn["kind"]; readonly outcome: string }[] = [];
  /** The request under work, so that an immediate answer need not read it back from the record. */
  request: { readonly number: number; readonly txn: TxnId; readonly message: SipMessage } | undefined;
  /** The request whose challenge this step tells of, as it was before: what `authorize` sends again. */
  challenged: { readonly number: number; readonly txn: ClientTxn } | undefined;
  /** The step is over: what a handler does with it now would be lost. */
  closed = false;
  private readonly before: CallBody;

  constructor(base: CallBody, context: StepContext, revision?: string) {
    this.before = base;
    this.revision = revision;
    this.record = base.record;
    this.state = base.state;
    this.call = base.record.call;
    this.context = context;
  }

  /** True when there is something to commit. */
  get changed(): boolean {
    return this.record !== this.before.record || this.state !== this.before.state || this.details.length > 0;
  }

  leg(number: number): LegRecord | undefined {
    return this.record.legs[number];
  }

  putLeg(number: number, leg: LegRecord): void {
    this.record = { ...this.record, legs: { ...this.record.legs, [number]: leg } };
  }

  newLeg(number: number): LegRecord {
    return { leg: legIdOf(this.call, number), servers: [], clients: [] };
  }

  /** Adds a transaction, or replaces the one of the same id. */
  putServer(number: number, txn: ServerTxn): void {
    const leg = this.leg(number) ?? this.newLeg(number);
    this.putLeg(number, { ...leg, servers: [...leg.servers.filter(({ id }) => id !== txn.id), txn] });
  }

  putClient(number: number, txn: ClientTxn): void {
    const leg = this.leg(number) ?? this.newLeg(number);
    this.putLeg(number, { ...leg, clients: [...leg.clients.filter(({ id }) => id !== txn.id), txn] });
  }

  send(message: Outgoing): void {
    this.outgoing.push(message);
  }

  /** Sends ahead of what the step has sent so far: a callee that answers at once must not be passed on before our 100. */
  sendFirst(message: Outgoing): void {
    this.outgoing.unshift(message);
  }
}
