import { randomInt } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Clock } from "#common/clock.ts";
import type { Count } from "../metrics.ts";
import { FRAME_SAMPLES } from "../radio-port.ts";
import { decodeRadioRtp, encodeRadioRtp } from "./radio-rtp.codec.ts";

/** What the group says to the radio. */
export interface MediaListener {
  /** The group talks to the radio, or has finished. */
  transmit(on: boolean): void;
  frame(samples: Int16Array): void;
}

export interface MediaLinkOptions {
  /** Address that our RTP is sent from. */
  readonly host: string;
  readonly listener: MediaListener;
  readonly count: Count;
  readonly clock: Clock;
}

/** How often a sign of life goes out while nobody talks, in ms. */
const KEEPALIVE_MS = 1_000;
/** A group that keyed the radio and then says nothing for this long is gone: fail-safe, ED-137's R2S limit, in ms. */
const TRANSMIT_LOST_MS = 2_000;
/** How often a closed squelch is said at once; the keepalive says it again. */
const CLOSE_REPEATS = 2;
/** Late packets of a transmission that has ended are known by numbers this little behind. */
const REORDER_WINDOW = 100;

/** RTP between one radio channel and the talk group's audio. It never fails: while nobody is attached it drops. */
export class MediaLink {
  readonly #socket: Socket;
  readonly #options: MediaLinkOptions;
  readonly #ssrc = randomInt(1, 0xffff_ffff);
  #sequence = randomInt(0x1_0000);
  #timestamp = randomInt(0x7fff_ffff);
  /** When `#timestamp` was true, ms: a pause is as long on the time line as it was. */
  #timestampMs: number;
  #media: { readonly host: string; readonly port: number } | undefined;
  #squelchOpen = false;
  #talkspurt = false;
  #transmitting = false;
  #muted = false;
  #lastSequence: number | undefined;
  #heardMs: number;
  #cancelTick: () => void;
  #closed = false;

  private constructor(socket: Socket, options: MediaLinkOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#timestampMs = this.#heardMs = options.clock.now();
    socket.on("message", (packet, from) => {
      this.#receive(packet, from);
    });
    socket.on("error", () => {
      options.count("errors", "media-socket");
    });
    this.#cancelTick = this.#tickLater();
  }

  static async open(options: MediaLinkOptions): Promise<MediaLink> {
    const socket = createSocket(options.host.includes(":") ? "udp6" : "udp4");
    socket.bind(0, options.host);
    await once(socket, "listening");
    return new MediaLink(socket, options);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** How long the media tier has been silent, in ms. */
  get silentMs(): number {
    return this.#options.clock.now() - this.#heardMs;
  }

  /** True while the media tier refuses what the radio says. */
  get muted(): boolean {
    return this.#muted;
  }

  /** Talks to this address from now on. */
  attach(media: { readonly host: string; readonly port: number }): void {
    this.#media = media;
    this.#lastSequence = undefined;
    this.#heardMs = this.#options.clock.now();
    this.#tell();
  }

  /** Nobody is there: the radio is unkeyed and its audio dropped. */
  detach(): void {
    this.#media = undefined;
    this.#muted = false;
    this.#setTransmitting(false);
  }

  /** The radio's squelch opened or closed. */
  squelch(open: boolean): void {
    if (open === this.#squelchOpen) return;
    this.#squelchOpen = open;
    this.#talkspurt = open;
    if (open) {
      const now = this.#options.clock.now();
      this.#timestamp += Math.round((now - this.#timestampMs) / 20) * FRAME_SAMPLES;
      this.#timestampMs = now;
      return;
    }
    for (let i = 0; i < CLOSE_REPEATS; i++) this.#tell();
  }

  /** 20 ms that the radio hears; `skipped` frames before it were lost. */
  send(samples: Int16Array, skipped: number): void {
    this.#sequence += skipped;
    this.#advance(skipped);
    this.#write(this.#talkspurt, samples);
    this.#talkspurt = false;
    this.#advance(1);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTick();
    this.#setTransmitting(false);
    this.#socket.removeAllListeners("message");
    this.#socket.close();
  }

  #advance(frames: number): void {
    this.#timestamp += frames * FRAME_SAMPLES;
    this.#timestampMs += frames * 20;
  }

  /** Flags without audio. */
  #tell(): void {
    this.#write(false);
  }

  #write(marker: boolean, samples?: Int16Array): void {
    if (!this.#media || this.#closed) return;
    const sequence = this.#sequence++;
    const common = {
      sequence,
      timestamp: this.#timestamp,
      ssrc: this.#ssrc,
      marker,
      squelchOpen: this.#squelchOpen,
    };
    const packet = encodeRadioRtp({ ...common, ...(samples && { samples }) });
    this.#socket.send(packet, this.#media.port, this.#media.host);
  }

  #receive(datagram: Buffer, from: RemoteInfo): void {
    const { count, listener } = this.#options;
    if (from.address !== this.#media?.host || from.port !== this.#media.port) {
      count("dropped", "media-source");
      return;
    }
    const packet = decodeRadioRtp(datagram);
    if (!packet) {
      count("dropped", "media-malformed");
      return;
    }
    this.#heardMs = this.#options.clock.now();
    const behind =
      this.#lastSequence === undefined ? -1 : ((this.#lastSequence - packet.sequence) << 16) >> 16;
    // What was overtaken must not key a radio that has been unkeyed since.
    if (behind >= 0 && behind < REORDER_WINDOW) return;
    this.#lastSequence = packet.sequence;
    if (packet.muted && !this.#muted) count("events", "refused");
    this.#muted = packet.muted;
    this.#setTransmitting(packet.transmit);
    if (packet.transmit && packet.samples) listener.frame(packet.samples);
  }

  #setTransmitting(on: boolean): void {
    if (on === this.#transmitting) return;
    this.#transmitting = on;
    this.#options.listener.transmit(on);
  }

  #tickLater(): () => void {
    return this.#options.clock.after(KEEPALIVE_MS, () => {
      if (this.#transmitting && this.silentMs >= TRANSMIT_LOST_MS) {
        this.#options.count("events", "transmit-lost");
        this.#setTransmitting(false);
      }
      this.#tell();
      this.#cancelTick = this.#tickLater();
    });
  }
}
