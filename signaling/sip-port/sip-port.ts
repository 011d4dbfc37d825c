import type { SipMessage } from "#signaling/edge/message/message.ts";

/**
 * The SIP port: what call control needs of a SIP server, and all it may use. Two adapters, one contract suite: in process
 * (the edge hands objects over and commits its records together with ours) and drachtio (frames to a remote edge).
 *
 * Nothing here is held in memory between two events: a leg, its transactions and its dialog are named by ids that are in
 * the messages themselves, so any instance may handle the next event and send the next command.
 */

/** Two-character bucket tag and 20 or more of [a-z0-9]; names the call's record. */
export type CallId = string;
/** `<callId>.<n>`, 0 for the caller's leg: our tag in the leg's dialog, and the name of its record. */
export type LegId = string;
/** A transaction of a leg, opaque to call control; contains the leg id. */
export type TxnId = string;

export type Transport = "udp" | "tcp" | "tls" | "ws" | "wss";

/** The way back to a peer that cannot be connected to: a socket of one process. */
export interface Flow {
  readonly transport: Transport;
  /** Address that the peer's packets come from. */
  readonly host: string;
  readonly port: number;
  /** For stream transports: the process that owns the socket, and its name there. */
  readonly instance?: string;
  readonly connection?: string;
  /** The host of the URI that this address was found for: what a server reached over TLS must prove (RFC 5922). */
  readonly name?: string;
}

/** A registration that a peer made: where it is reached, whichever connection it has at the moment. */
export interface Registration {
  readonly user: string;
  /** Names the binding among the user's. */
  readonly key: string;
}

export type Headers = readonly (readonly [name: string, value: string])[];

/** A 401 or 407 from a peer that knows us by an account (RFC 3261 §22.2, §22.3). */
export interface Challenged {
  /** As `account` named it. */
  readonly account: string;
  /** Request-URI of the refused request, which its credentials name (RFC 7616 §3.4.6). */
  readonly uri: string;
  /** Authorization and Proxy-Authorization that it carried. */
  readonly credentials: Headers;
  /** How often it has been sent with other credentials before. */
  readonly repeated: number;
  /** As the last `authorize` of this leg said. */
  readonly nonce?: NonceUse;
  /** A request of the edge itself (a refresh): when nobody answers for the account, the edge has done what there is to do. */
  readonly own?: true;
}

/** Requests that have answered a nonce (RFC 7616 §3.4: nc). */
export interface NonceUse {
  readonly nonce: string;
  readonly count: number;
}

export type SipEvent =
  /**
   * A request outside or inside a dialog; never ACK or CANCEL. `dialog` is set when the To-tag names a live dialog. A PRACK
   * has been matched with the response that it acknowledges.
   */
  | {
      readonly type: "request";
      readonly leg: LegId;
      readonly txn: TxnId;
      readonly dialog: boolean;
      readonly message: SipMessage;
      readonly source: Flow;
      /** When it came, epoch ms, if that was a while ago: Redis was away. */
      readonly atMs?: number;
      /**
       * Nothing has been said to it, and its sender repeats it until something is, to any instance: what a handler does
       * before its step is committed is done again if this instance dies.
       */
      readonly repeated?: true;
    }
  /** The ACK of our 2xx, with the answer when we made the offer. Told once, retransmissions are absorbed. */
  | { readonly type: "ack"; readonly leg: LegId; readonly message: SipMessage }
  /**
   * The caller gave up. The edge has answered: 200 to the CANCEL, 487 to the INVITE. `refused`: it was told 503 instead, for
   * its INVITE could not be committed, or an overloaded instance did not know of it.
   */
  | { readonly type: "cancel"; readonly leg: LegId; readonly txn: TxnId; readonly refused?: true }
  /** A response to our request; `local` when the edge made it (408 timeout, 503 transport). Failures of INVITE are ACKed by the edge. */
  | {
      readonly type: "response";
      readonly leg: LegId;
      readonly txn: TxnId;
      readonly method: string;
      readonly status: number;
      readonly message: SipMessage;
      readonly local: boolean;
      /** Value of the RAck header of its PRACK: set when the response is reliable and waits for one (RFC 3262 §4). */
      readonly rack?: string;
      /** Set when the peer wants to know who we are, and the request may be sent again: see `authorize`. */
      readonly challenged?: Challenged;
    }
  /** A request that we forward as a proxy: what a target answered, and whether a final response has been passed back by now. */
  | {
      readonly type: "proxied";
      readonly leg: LegId;
      /** The transaction that is proxied. */
      readonly txn: TxnId;
      readonly method: string;
      readonly done: boolean;
      /** Undefined when a target gave no answer. */
      readonly message?: SipMessage;
      /** The target. */
      readonly peer?: Flow;
    }
  /**
   * Our 2xx got no ACK within 64*T1: the edge has sent BYE (RFC 3261 §13.3.1.4). `refused`: there will be none, for the caller
   * took such a refusal first.
   */
  | { readonly type: "ack-timeout"; readonly leg: LegId; readonly refused?: true }
  /** A reliable provisional response got no PRACK within 64*T1: the edge has answered the INVITE 504 (RFC 3262 §3). */
  | { readonly type: "prack-timeout"; readonly leg: LegId; readonly txn: TxnId }
  /**
   * A refresh of the edge's own was answered with another place for the peer's media (RFC 3264 §8): whoever sends to it has
   * to be told. `stood` is the description that the refresh repeated, which the peer has now heard once more.
   */
  | {
      readonly type: "media-moved";
      readonly leg: LegId;
      readonly message: SipMessage;
      readonly stood: string;
    }
  /** The peer of a timed dialog gives no sign of life: the edge has sent BYE (RFC 4028 §10). */
  | { readonly type: "session-expired"; readonly leg: LegId };

export type SipCommand =
  /** Answers a request. To, From, Call-ID, CSeq, Via, Record-Route and Contact are the edge's. */
  | {
      readonly type: "reply";
      readonly txn: TxnId;
      readonly status: number;
      readonly reason?: string;
      readonly headers?: Headers;
      readonly body?: string;
      readonly contentType?: string;
      /**
       * A provisional response that is repeated until its PRACK, when the caller can do that (RFC 3262); what is answered
       * meanwhile waits where it must. To a caller that requires it every one is.
       */
      readonly reliable?: boolean;
      /** A 2xx that begins a dialog whose peer is asked for signs of life from then on (RFC 4028). */
      readonly timed?: true;
    }
  /** Starts a leg: an INVITE, MESSAGE, OPTIONS … outside a dialog. Executing it twice sends the same bytes. */
  | {
      readonly type: "request";
      readonly leg: LegId;
      readonly method: string;
      readonly uri: string;
      /** name-addr without tag: `"Alice Rivera" <sip:alice@crossband.local>`. */
      readonly from: string;
      readonly to: string;
      /** Where to send it when not to the address in `uri`. */
      readonly flow?: Flow;
      /** As in `reply`, for the dialog that this request begins. */
      readonly timed?: true;
      /** What `flow` was read from: see `follow`. */
      readonly registration?: Registration;
      /** Whose credentials answer the challenges of this peer: see `account`. */
      readonly account?: string;
      /** User part of the Contact: of a REGISTER, by which calls to us are told apart. */
      readonly contactUser?: string;
      /**
       * A peer that has said nothing after so many ms is told as 408 (local). An INVITE is taken down should it be heard
       * of after all: cancelled if it rings; an answer is told, to be acknowledged and hung up.
       */
      readonly patienceMs?: number;
      readonly headers?: Headers;
      readonly body?: string;
      readonly contentType?: string;
    }
  /** BYE, re-INVITE, INFO, UPDATE, MESSAGE … within the leg's dialog; target, route, tags and CSeq are the edge's. */
  | {
      readonly type: "in-dialog";
      readonly leg: LegId;
      readonly method: string;
      readonly headers?: Headers;
      readonly body?: string;
      readonly contentType?: string;
    }
  /**
   * The peer of this leg is the client of a registration: when its connection is lost, the leg goes where the registration
   * says (RFC 5626). With `flow` it goes there at once, and what waits for an answer is sent again.
   */
  | {
      readonly type: "follow";
      readonly leg: LegId;
      readonly registration: Registration;
      readonly flow?: Flow;
    }
  /**
   * The peer of this leg knows us by an account: from now on its challenges to requests of the leg are told as such, for as
   * long as the leg has a record. A peer without one is never shown credentials.
   */
  | { readonly type: "account"; readonly leg: LegId; readonly account: string }
  /**
   * Sends a challenged request again with these headers and the next CSeq (RFC 3261 §22.2); call control knows it by its
   * first id. Only in the step that tells of the challenge: the answer to it and the new request are one commit.
   */
  | {
      readonly type: "authorize";
      readonly leg: LegId;
      readonly txn: TxnId;
      readonly headers: Headers;
      readonly nonce: NonceUse;
    }
  /** ACKs the 2xx of our INVITE (or re-INVITE) of this leg. An ACK repeats the credentials of its INVITE (RFC 3261 §22.1). */
  | { readonly type: "ack"; readonly leg: LegId; readonly body?: string; readonly contentType?: string }
  /** Acknowledges a reliable provisional response of this leg: `rack` as it was told, `early` the To-tag that it came with. */
  | {
      readonly type: "prack";
      readonly leg: LegId;
      readonly rack: string;
      readonly early?: string;
      readonly body?: string;
      readonly contentType?: string;
    }
  /** Cancels our INVITE of this leg; waits for a provisional response when there was none (RFC 3261 §9.1). */
  | { readonly type: "cancel"; readonly leg: LegId };

/** What is known of a leg's dialog, for those who must be sure that somebody means it (RFC 3891 §3). */
export interface DialogView {
  readonly state: "early" | "confirmed" | "ended";
  readonly callId: string;
  /** The peer's tag; undefined before it has answered. */
  readonly remoteTag?: string;
  /** Body of our INVITE while it is unanswered. */
  readonly sentBody?: string;
}

/**
 * One unit of work on one call: what it read, what it writes and what it sends. Nothing is written or sent before the
 * handler has returned; then all records are committed in one script, then the messages leave, then the effects run. When
 * another process was faster, everything is read again and the handler runs again from the start.
 */
export interface Step {
  readonly callId: CallId;
  /** Reads the call's own record (JSON), undefined when there is none. */
  load<State>(): Promise<State | undefined>;
  /** Replaces the call's record; undefined deletes it. `ttlMs` bounds the life of what nobody ends. */
  save(state: unknown, ttlMs?: number): void;
  command(command: SipCommand): void;
  /** The dialog of a leg of this call; undefined when there is none, or when the SIP server keeps it to itself. */
  dialog(leg: LegId): DialogView | undefined;
  /** Appends one call detail record in the same commit. */
  cdr(record: Readonly<Record<string, string | number>>): void;
  /** Asks for `timer` events: `name` fires once at `atMs` (epoch) on some instance, unless replaced or cleared (undefined) before. */
  timer(name: string, atMs: number | undefined): void;
  /**
   * Runs before the commit, which waits for it: what the commit takes for done. It may run although the step is not committed
   * then, and again when it is decided again, so it must do no harm in either case. A failure is one of the commit.
   */
  ahead(effect: () => Promise<void>): void;
  /** Runs after the commit, on this instance; lost if the process dies, so it must be repeatable by `recover`. */
  after(effect: () => void): void;
}

export interface SipHandler {
  onEvent(event: SipEvent, step: Step): Promise<void>;
  onTimer(name: string, step: Step): Promise<void>;
  /** The instance that last worked on this unstable call is dead: re-run the effects of the call's present state. */
  recover(step: Step): Promise<void>;
}

/** Methods whose requests need no record: answered from the request alone (RFC 3261 §8.2.7). */
export const STATELESS_METHODS: ReadonlySet<string> = new Set(["REGISTER", "OPTIONS"]);

export interface SipPort {
  /** Attaches call control. Must be called once, before traffic is let in. */
  handle(handler: SipHandler): void;
  /** A step that starts on our side (an answer from media, an API request). Serialised with the call's events. */
  begin(callId: CallId, work: (step: Step) => Promise<void>): Promise<void>;
  /** True while a dialog or transaction of this process is unfinished. */
  readonly busy: boolean;
  close(): Promise<void>;
}
