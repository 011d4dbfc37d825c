import { randomUUID } from "node:crypto";
import type { LRUCache } from "lru-cache";
import type { Clock } from "#common/clock.ts";
import type { Logger } from "#common/log.ts";
import type { CallId, Flow, TxnId } from "#signaling/sip-port/sip-port.ts";
import type { WireClient, WireClients } from "./clients.ts";
import type { EnginePort } from "./engine-port.ts";
import { encodeCdrFrame, NO_ENDPOINT, type Endpoint } from "./server-frame.codec.ts";

/** What the two halves of the drachtio server share: events to applications, commands from them. */
export interface WireContext {
  readonly port: EnginePort;
  readonly clients: WireClients;
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Which client had a call last: a hint beside the record, for calls of this process. */
  readonly owners: LRUCache<CallId, string>;
  /** Where our requests went, so that frames with their responses can say so. */
  readonly peers: LRUCache<TxnId, Flow>;
  /** Other processes that applications may be attached to. */
  readonly others: () => readonly string[];
  /** Hands a frame to a client of another instance; false when it is not there. */
  readonly forward: (instance: string, connection: string, frame: string, call: CallId) => Promise<boolean>;
  /** Hands a frame to any client of another instance that has these tags and asked for this verb; false when there is none. */
  readonly forwardToAny: (
    instance: string,
    verb: string,
    tags: readonly string[],
    frame: string,
    call: CallId,
  ) => Promise<boolean>;
  /** Connects to an application that listens (`srf.listen`), and resolves when it has named the secret. */
  readonly connectTo: (uri: string) => Promise<WireClient>;
  readonly counters: WireCounters;
}

export interface WireCounters {
  frames: number;
  refused: number;
  unrouted: number;
  dropped: number;
  forwarded: number;
}

export const newFrameId = (): string => randomUUID();

export const endpointOf = (flow: Flow | undefined): Endpoint =>
  flow ? { protocol: flow.transport, address: flow.host, port: flow.port } : NO_ENDPOINT;

/** Writes a frame to a client, counted when it is too long or the client does not read. */
export function sendTo(context: WireContext, client: WireClient, frame: string | undefined): boolean {
  if (frame !== undefined && client.send(frame)) return true;
  context.counters.dropped++;
  return false;
}

/** What a call record says of a message: which role we had, or why the call is over. */
export type CdrDetail =
  "uas" | "uac" | "proxy-uas" | "proxy-uac" | "normal-release" | "call-canceled" | "call-rejected" | "system-initiated-termination"; // prettier-ignore

/** Tells one of those who asked for call records. */
export function tellCdr(
  context: WireContext,
  event: "attempt" | "start" | "stop",
  source: "network" | "application",
  message: string,
  detail?: CdrDetail,
): void {
  const client = context.clients.next(`cdr:${event}`);
  if (!client) return;
  const more = detail === undefined ? {} : { detail };
  sendTo(
    context,
    client,
    encodeCdrFrame({ id: newFrameId(), event, source, nowMs: context.clock.now(), message, ...more }),
  );
}
