import { Socket } from "node:dgram";
import { Redis } from "ioredis";
import { matches, readPacket, type CallMark, type Pattern } from "./packet.ts";
import { tapStreams, type Gate } from "./tap-streams.ts";

/** Where a call is cut off from its instance: at the packet boundary of the process, so that nothing in it knows. */
export interface Moment extends Pattern {
  readonly at: "received" | "before-send" | "after-send";
}

/** One call that this instance shall not survive beyond a moment. */
export interface Cut extends CallMark {
  readonly moment: Moment;
}

/** To an instance: what to cut, and whose commits to tell. Each replaces what was said before. */
export interface TapOrder {
  readonly cuts: readonly Cut[];
  readonly watch: readonly string[];
}

/** From an instance. */
export type TapNews =
  | { readonly type: "cut"; readonly marker: string; readonly atMs: number }
  | { readonly type: "committed"; readonly marker: string; readonly atMs: number };

/** A method of a library's class, replaced while the tap is in. */
type Method<First> = (this: unknown, first: First, ...rest: unknown[]) => unknown;

/**
 * Sits between an instance and its sockets. A call that reaches its moment is frozen: from then on no packet and no command
 * to Redis that concerns it gets in or out, as if the process had died there. The kill follows once every call of
 * the batch is frozen, so that one death can cut many calls, each at exactly its moment.
 */
export class Tap implements Gate {
  private order: TapOrder = { cuts: [], watch: [] };
  private readonly frozen = new Set<string>();
  /** Ids of calls by the marker of their caller; the newest few. */
  private readonly ids = new Map<string, string>();
  private readonly told = new Set<string>();
  private readonly tell: (news: TapNews) => void;

  constructor(tell: (news: TapNews) => void) {
    this.tell = tell;
  }

  obey(order: TapOrder): void {
    this.order = order;
    this.told.clear();
  }

  /** Puts the tap on every socket and Redis connection that the process will open. */
  install(): void {
    this.tapDatagrams();
    tapStreams(this);
    this.tapRedis();
  }

  receives(text: string): boolean {
    this.meet(text, "received");
    return !this.isFrozen(text);
  }

  sends(text: string, leave: () => void): void {
    this.meet(text, "before-send");
    if (this.isFrozen(text)) return;
    leave();
    this.meet(text, "after-send");
  }

  private isFrozen(text: string): boolean {
    for (const one of this.frozen) if (text.includes(one)) return true;
    return false;
  }

  /** Freezes the call whose moment this is. */
  private meet(text: string, at: Moment["at"]): void {
    if (this.order.cuts.length === 0) return;
    const packet = readPacket(text);
    const cut =
      packet && this.order.cuts.find((one) => one.moment.at === at && matches(packet, one, one.moment));
    if (cut) this.freeze(cut.marker);
  }

  private freeze(marker: string): void {
    if (this.frozen.has(marker)) return;
    this.frozen.add(marker);
    const id = this.ids.get(marker);
    if (id !== undefined) this.frozen.add(id);
    this.tell({ type: "cut", marker, atMs: Date.now() });
  }

  private tapDatagrams(): void {
    const socket = Socket.prototype as unknown as Record<"send" | "emit", Method<unknown>>;
    const { send, emit } = socket;
    const [sends, receives] = [this.sends.bind(this), this.receives.bind(this)];
    socket.emit = function (event, ...values) {
      const [data] = values;
      if (event === "message" && Buffer.isBuffer(data) && !receives(data.toString("latin1"))) return true;
      return emit.call(this, event, ...values);
    };
    socket.send = function (data, ...rest) {
      sends(Buffer.isBuffer(data) ? data.toString("latin1") : "", () => send.call(this, data, ...rest));
    };
  }

  private tapRedis(): void {
    const client = Redis.prototype as unknown as Record<
      "sendCommand",
      Method<{ readonly args: readonly unknown[] }>
    >;
    const { sendCommand } = client;
    const [note, isFrozen, sends] = [this.note.bind(this), this.isFrozen.bind(this), this.sends.bind(this)];
    client.sendCommand = function (command, ...rest) {
      const text = command.args.map(String).join(" ");
      note(text);
      const handed = handedOver(command.args);
      if (handed !== undefined) {
        let sent: unknown = new Promise(() => undefined);
        sends(handed, () => {
          sent = sendCommand.call(this, command, ...rest);
        });
        return sent;
      }
      // A dead process's command neither arrives nor is answered. One in a pipeline (the trace of messages, none of a call's
      // state) goes all the same: with a gap in it the replies of all others would go to the wrong commands.
      const [pipeline] = rest;
      if (pipeline === undefined && isFrozen(text)) return new Promise(() => undefined);
      return sendCommand.call(this, command, ...rest);
    };
  }

  /** Learns which call a caller has now, and tells of commits that somebody waits for. */
  private note(text: string): void {
    const id = /\}:call:([0-9a-z]{22,42}) /.exec(text)?.[1];
    if (id === undefined) return;
    const marker = /\bsip:c\d+@/.exec(text)?.[0];
    if (marker === undefined) return;
    this.ids.set(marker, id);
    if (!this.order.watch.includes(marker) || this.told.has(marker)) return;
    this.told.add(marker);
    this.tell({ type: "committed", marker, atMs: Date.now() });
  }
}

/** The message that a command hands to the instance which has its connection: it leaves this one as over a socket. */
function handedOver(args: readonly unknown[]): string | undefined {
  const envelope = args.at(-1);
  if (typeof envelope !== "string" || !envelope.includes('"path":"/flows/')) return undefined;
  const { request } = JSON.parse(envelope) as { readonly request?: { readonly body?: { bytes?: unknown } } };
  const bytes = request?.body?.bytes;
  return typeof bytes === "string" ? bytes : undefined;
}
