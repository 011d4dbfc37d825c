import type { EngineStep } from "#signaling/edge/engine/step.ts";
import type { SipUri } from "#signaling/edge/message/uri.ts";
import type { CallId, Flow, SipPort, TxnId } from "#signaling/sip-port/sip-port.ts";

/** A message that a step has sent. */
export interface SentMessage {
  readonly flow: Flow;
  readonly text: string;
  readonly method: string;
  /** 0 for requests. */
  readonly status: number;
  /** The client transaction that a request of ours began. */
  readonly txn?: TxnId;
}

/** What the drachtio server needs of the engine beyond the SIP port: its clients are told what was sent for them. */
export interface EnginePort extends SipPort {
  /** As `begin`, and resolves with the messages of the committed step, in order. Empty when nothing was to be sent. */
  perform(callId: CallId, work: (step: EngineStep) => Promise<void>): Promise<readonly SentMessage[]>;
  /** Where a request to `uri` may be sent, best first. */
  resolve(uri: SipUri): Promise<readonly Flow[]>;
  /** `host:port` that the cluster is known by. */
  readonly advertised: string;
}
