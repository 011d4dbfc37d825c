import type { Logger } from "#common/log.ts";
import type { Mark, Witness } from "#signaling/edge/engine/witness.ts";
import type { Outgoing } from "#signaling/edge/engine/draft.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { formatHost } from "#signaling/edge/message/uri.ts";
import { STATELESS_METHODS, type CallId, type Flow, type Transport } from "#signaling/sip-port/sip-port.ts";
import type { TraceAppend } from "#state/trace/append-traces.ts";
import type { TraceEntry } from "#state/trace/trace-entry.ts";
import { CallShare } from "./call-share.ts";
import { redact } from "./redact.ts";

/** How long lines are collected before they are written, in ms: what a crash may lose. */
const COLLECT_MS = 200;
/** Calls written at once: neither our thread nor Redis is held up by more. */
const BATCH = 32;
/** Lines that wait to be written; more are dropped and counted. */
const MAX_WAITING = 20_000;
/** Lines of one call that wait; a call that is louder has a fault worth seeing only once. */
const MAX_OF_CALL = 200;

export interface RecorderOptions {
  readonly instance: string;
  readonly log: Logger;
  /** Where we listen for a transport, `host:port`. */
  readonly local: (transport: Transport) => string;
  /** Writes; resolves with the number of entries that were not kept. */
  readonly append: (appends: readonly TraceAppend[]) => Promise<number>;
  readonly dropped: (entries: number) => void;
  /** New calls a second that are noted; of more only a share is, so that a busy process spends its time on calls. */
  readonly callsPerSecond?: number;
  /** Epoch ms with fractions. */
  readonly nowMs?: () => number;
}

/** A line as it was noted: the text is redacted when it is written. */
type Line =
  | {
      readonly atUs: number;
      readonly kind: "in" | "out" | "again";
      readonly flow: Flow;
      readonly text: string;
    }
  | { readonly atUs: number; readonly kind: "mark"; readonly mark: Mark; readonly detail: string };

interface Waiting {
  readonly callId: string;
  readonly startMs: number;
  readonly lines: Line[];
}

/**
 * Notes what happens to calls and writes it a little later, in batches. Requests that keep no record (REGISTER, OPTIONS)
 * are no calls and not noted.
 */
export class TraceRecorder implements Witness {
  private readonly options: RecorderOptions;
  private readonly nowMs: () => number;
  private waiting = new Map<CallId, Waiting>();
  private lines = 0;
  private readonly share: CallShare;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;

  constructor(options: RecorderOptions) {
    this.options = options;
    this.nowMs = options.nowMs ?? (() => performance.timeOrigin + performance.now());
    this.share = new CallShare(options.callsPerSecond ?? Infinity);
  }

  received(call: CallId, message: SipMessage, flow: Flow): void {
    if (STATELESS_METHODS.has(message.method)) return;
    if (message.method === "INVITE" && message.kind === "request") this.share.begin(this.nowMs());
    this.note(call, { atUs: this.nowUs(), kind: "in", flow, text: message.text }, message.callId);
  }

  sent(call: CallId, { flow, text, method, retransmission }: Outgoing): void {
    if (STATELESS_METHODS.has(method)) return;
    this.note(call, { atUs: this.nowUs(), kind: retransmission === true ? "again" : "out", flow, text });
  }

  mark(call: CallId, mark: Mark, detail = ""): void {
    this.note(call, { atUs: this.nowUs(), kind: "mark", mark, detail });
  }

  /** Writes what waits. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writing ??= this.write().finally(() => {
      this.writing = undefined;
    });
    await this.writing;
  }

  private note(call: CallId, line: Line, callId?: string): void {
    if (!this.share.has(call)) return;
    let entry = this.waiting.get(call);
    if (this.lines >= MAX_WAITING || (entry && entry.lines.length >= MAX_OF_CALL)) {
      this.options.dropped(1);
      return;
    }
    if (!entry) {
      entry = { callId: callId ?? callIdIn(line), startMs: Math.floor(line.atUs / 1_000), lines: [] };
      this.waiting.set(call, entry);
    }
    entry.lines.push(line);
    this.lines++;
    this.timer ??= setTimeout(() => void this.flush(), COLLECT_MS).unref();
  }

  private async write(): Promise<void> {
    while (this.waiting.size > 0) {
      const taken = this.waiting;
      this.waiting = new Map();
      const batch: TraceAppend[] = [];
      for (const [call, { callId, startMs, lines }] of taken) {
        this.lines -= lines.length;
        batch.push({ call, callId, startMs, entries: lines.map((line) => this.entryOf(line)) });
        if (batch.length === BATCH) await this.append(batch.splice(0));
      }
      if (batch.length > 0) await this.append(batch);
      // Lines that came meanwhile have their own timer.
      if (this.timer) return;
    }
  }

  private async append(batch: readonly TraceAppend[]): Promise<void> {
    const total = batch.reduce((sum, { entries }) => sum + entries.length, 0);
    const lost = await this.options.append(batch).catch((error: unknown) => {
      this.options.log.debug({ error: String(error) }, "trace not written");
      return total;
    });
    if (lost > 0) this.options.dropped(lost);
  }

  private entryOf(line: Line): TraceEntry {
    const { atUs } = line;
    const { instance, local } = this.options;
    if (line.kind === "mark") return { type: "mark", atUs, instance, mark: line.mark, detail: line.detail };
    const { flow, kind } = line;
    return {
      type: "message",
      atUs,
      instance,
      direction: kind === "in" ? "in" : "out",
      transport: flow.transport,
      peer: `${formatHost(flow.host)}:${flow.port}`,
      local: local(flow.transport),
      again: kind === "again",
      text: redact(line.text),
    };
  }

  private nowUs(): number {
    return Math.round(this.nowMs() * 1_000);
  }
}

/** The Call-ID of a message that we wrote. */
function callIdIn(line: Line): string {
  return line.kind === "mark" ? "" : (/\r\nCall-ID: *([^\r\n]*)/i.exec(line.text)?.[1] ?? "");
}
