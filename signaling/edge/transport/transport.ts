import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { SipUri } from "#signaling/edge/message/uri.ts";
import type { Flow, Transport } from "#signaling/sip-port/sip-port.ts";

/** Told of every well-formed message. What it throws is logged and counted, and goes no further. */
export type MessageHandler = (message: SipMessage, flow: Flow) => void;

/** The sockets of one process. Malformed requests are answered, keepalives and floods are dealt with here. */
export interface Transports {
  /**
   * Sends one message (latin1: a character is a byte). Stream sockets are reused, or connected when the flow names none;
   * the flow of another instance goes there by RPC.
   *
   * @throws CrossbandError FLOW_GONE when the socket, its owner or the peer is not there: answer 503 or 430
   */
  send(flow: Flow, bytes: string): Promise<void>;
  onMessage(handler: MessageHandler): void;
  /** Told when a stream socket of this process is gone: its registrations are no longer reachable this way. */
  onFlowClosed(handler: (flow: Flow) => void): void;
  /** Where a request to `uri` may be sent, best first (RFC 3263). Empty when its host does not resolve. */
  resolve(uri: SipUri): Promise<readonly Flow[]>;
  /** `host:port` for Via, Contact and Record-Route of messages that leave by this transport. */
  advertised(transport: Transport): string;
  /** True when that is an address which somebody set: the cluster's, behind which any instance may be met. */
  readonly forCluster: boolean;
  /** Answers `POST /flows/:connection` of other instances: writes to a socket of this process. */
  deliver(connection: string, bytes: string): Promise<void>;
  listen(): Promise<TransportListeners>;
  close(): Promise<void>;
}

/** Where the sockets are bound, `host:port`. */
export interface TransportListeners {
  readonly udp: string;
  readonly tcp: string;
  /** Absent when there is no certificate to show. */
  readonly tls?: string;
  /** Internal: api proxies browsers to it. */
  readonly ws: string;
}
