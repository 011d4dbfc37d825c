import { createSocket, type Socket } from "node:dgram";
import type { Logger } from "#common/log.ts";
import type { Outgoing } from "#signaling/edge/engine/draft.ts";
import type { Witness } from "#signaling/edge/engine/witness.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { redact } from "#signaling/edge/trace/redact.ts";
import type { CallId, Flow, Transport } from "#signaling/sip-port/sip-port.ts";
import { addressBytes } from "./address-bytes.ts";
import { encodeHep } from "./hep3.codec.ts";

export interface HepOptions {
  readonly host: string;
  readonly port: number;
  readonly agent: number;
  readonly key: string | undefined;
  /** Takes credentials, keys and digits out of what is exported. */
  readonly redacted: boolean;
  /** Where we listen for a transport, `host:port`. */
  readonly local: (transport: Transport) => string;
  readonly log: Logger;
  readonly count: (event: "sent" | "dropped") => void;
}

interface Captured {
  readonly call: CallId;
  readonly flow: Flow;
  readonly incoming: boolean;
  readonly text: string;
  readonly atUs: number;
}

/** Messages that wait to be sent; more are dropped and counted: capture never holds up a call. */
const MAX_WAITING = 5_000;
/** Messages that are written before others get their turn. */
const SLICE = 50;
/** Datagrams that the kernel has not taken yet; beyond it the rest waits. */
const MAX_UNSENT = 200;

/** Sends a copy of every message to a HEP collector. */
export class HepExport implements Witness {
  private readonly options: HepOptions;
  private readonly socket: Socket;
  private waiting: Captured[] = [];
  private scheduled = false;
  private unsent = 0;
  private closed = false;

  constructor(options: HepOptions) {
    this.options = options;
    this.socket = createSocket(options.host.includes(":") ? "udp6" : "udp4");
    this.socket.unref();
    this.socket.on("error", (error) => {
      options.log.debug({ error: String(error) }, "capture socket failed");
    });
  }

  received(call: CallId, { text }: SipMessage, flow: Flow): void {
    this.note({ call, flow, incoming: true, text, atUs: nowUs() });
  }

  sent(call: CallId, { flow, text }: Outgoing): void {
    this.note({ call, flow, incoming: false, text, atUs: nowUs() });
  }

  mark(): void {
    // Only messages are exported.
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.waiting = [];
    this.socket.close();
  }

  private note(captured: Captured): void {
    if (this.closed || this.waiting.length >= MAX_WAITING) {
      this.options.count("dropped");
      return;
    }
    this.waiting.push(captured);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled || this.waiting.length === 0) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      if (this.closed || this.unsent >= MAX_UNSENT) return;
      for (const captured of this.waiting.splice(0, SLICE)) this.send(captured);
      this.schedule();
    });
  }

  private send(captured: Captured): void {
    const { host, port, count } = this.options;
    const packet = this.encode(captured);
    if (!packet) {
      count("dropped");
      return;
    }
    this.unsent++;
    this.socket.send(packet, port, host, (error) => {
      this.unsent--;
      count(error ? "dropped" : "sent");
      if (!this.closed) this.schedule();
    });
  }

  private encode({ call, flow, incoming, text, atUs }: Captured): Buffer | undefined {
    const { agent, key, redacted, local } = this.options;
    const peer = addressBytes(flow.host);
    if (!peer) return undefined;
    const own = local(flow.transport);
    const at = own.lastIndexOf(":");
    const ours = addressBytes(own.slice(0, at).replace(/^\[|\]$/g, ""));
    // A name, or the other family, has no bytes to be told.
    const here = ours?.length === peer.length ? ours : new Uint8Array(peer.length);
    const ends = {
      peer: { address: peer, port: flow.port },
      here: { address: here, port: Number(own.slice(at + 1)) || 0 },
    };
    const [from, to] = incoming ? [ends.peer, ends.here] : [ends.here, ends.peer];
    return encodeHep({
      family: peer.length === 16 ? 6 : 4,
      protocol: flow.transport === "udp" ? "udp" : "tcp",
      source: from.address,
      sourcePort: from.port,
      destination: to.address,
      destinationPort: to.port,
      atUs,
      agent,
      ...(key === undefined ? {} : { key }),
      correlation: call,
      payload: redacted ? redact(text) : text,
    });
  }
}

const nowUs = (): number => Math.round((performance.timeOrigin + performance.now()) * 1_000);
