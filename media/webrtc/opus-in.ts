import type { Consumer } from "mediasoup/types";
import type { Frame } from "#media/bus/frame.ts";
import { BUS_RATE } from "#media/bus/frame.ts";
import { JitterBuffer } from "#media/bus/jitter-buffer.ts";
import { OpusDecoder } from "#media/bus/opus.ts";
import { readRtp } from "#media/rtp/read-rtp.ts";
import { quietnessOf } from "./audio-level.codec.ts";
import { LEVEL_EXTENSION } from "./sdp/profile.ts";
import { quiet, step } from "./voice.machine.ts";

export interface OpusInOptions {
  /** Says when speech begins and ends. Without it packets are taken only while heard. */
  readonly onVoice?: (active: boolean) => void;
  /** Counts a packet that could not be read. */
  readonly onDropped: (reason: string) => void;
}

/** A browser's microphone on its way to the bus: nothing is decoded while it is not heard. */
export class OpusIn {
  readonly #consumer: Consumer;
  readonly #options: OpusInOptions;
  readonly #buffer = new JitterBuffer({ rate: BUS_RATE, clockRate: 48_000 });
  #decoder: OpusDecoder | undefined;
  #heard = false;
  #voice = quiet;

  /** @param consumer of the browser's audio on the direct transport, created paused */
  constructor(consumer: Consumer, options: OpusInOptions) {
    this.#consumer = consumer;
    this.#options = options;
    consumer.on("rtp", (packet) => {
      this.#take(packet);
    });
    this.#flow();
  }

  setHeard(heard: boolean): void {
    if (heard === this.#heard) return;
    this.#heard = heard;
    this.#buffer.reset();
    this.#decoder?.reset();
    this.#flow();
  }

  pull(): Frame | undefined {
    return this.#buffer.take(performance.now());
  }

  /** Notices a microphone that sends nothing any more, and says again that another speaks, to a group that it joined since. */
  tick(): void {
    this.#listen({ type: "tick", nowMs: performance.now() });
    if (this.#voice.active) this.#options.onVoice?.(true);
  }

  close(): void {
    this.#consumer.close();
    this.#setVoice(quiet);
  }

  #take(packet: Buffer): void {
    const nowMs = performance.now();
    const opus = readRtp(packet);
    if (typeof opus === "string") {
      this.#options.onDropped(opus);
      return;
    }
    const quietness = quietnessOf(opus.extension, LEVEL_EXTENSION.id);
    this.#listen({ type: "packet", nowMs, bytes: opus.payload.length, quietness });
    if (!this.#heard || opus.payload.length === 0) return;
    this.#decoder ??= new OpusDecoder();
    const pcm = this.#decoder.decode(opus.payload);
    if (pcm === undefined) this.#options.onDropped("not opus");
    else this.#buffer.put(opus.ssrc, opus.timestamp, pcm, nowMs);
  }

  #listen(event: Parameters<typeof step>[1]): void {
    if (this.#options.onVoice !== undefined) this.#setVoice(step(this.#voice, event));
  }

  #setVoice(next: typeof quiet): void {
    const changed = next.active !== this.#voice.active;
    this.#voice = next;
    if (changed) this.#options.onVoice?.(next.active);
  }

  /** The router sends packets up only while somebody wants them. */
  #flow(): void {
    const flows = this.#heard || this.#options.onVoice !== undefined;
    // Refused only when the worker is gone, and then all legs end.
    (flows ? this.#consumer.resume() : this.#consumer.pause()).catch(() => undefined);
  }
}
