import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { decodeAlaw, decodeUlaw, encodeAlaw, encodeUlaw } from "../audio/g711.ts";
import { Recording } from "../audio/recording.ts";
import { FRAME_SAMPLES, silenceSource, type AudioSource } from "../audio/sources.ts";
import { pace } from "../pace.ts";
import { payloadTypeOf, type Codec } from "./sdp.ts";

const HEADER_BYTES = 12;
const FRAME_MS = 20;
const DIGITS = "0123456789*#ABCD";
/** RFC 4733 §2.5.1.4: the end packet goes out three times. */
const END_PACKETS = 3;
const EVENT_VOLUME = 10;

export interface RtpTarget {
  readonly host: string;
  readonly port: number;
  readonly codec: Codec;
  readonly events: number | undefined;
}

interface Event {
  readonly code: number;
  readonly timestamp: number;
  readonly frames: number;
  sent: number;
  resolve(): void;
}

/** RTP of one call: what the phone says, paced at 20 ms, and everything it hears. */
export class RtpStream {
  readonly heard = new Recording();
  /** Digits that came as RFC 4733 events. */
  readonly digitsHeard: string[] = [];
  /** Packets that came, by payload type, and those that were no RTP. */
  readonly received = { audio: 0, events: 0, other: 0, malformed: 0 };
  readonly ssrcsHeard = new Set<number>();
  /** True: nothing is sent, not even silence. */
  muted = false;
  /** Packets sent. */
  sent = 0;
  readonly #host: string;
  #socket: Socket;
  #target: RtpTarget | undefined;
  #ssrc = randomInt(1, 0xffff_ffff);
  #sequence = randomInt(0x1_0000);
  #timestamp = randomInt(0x7fff_ffff);
  #source: AudioSource = silenceSource();
  #played: (() => void) | undefined;
  #event: Event | undefined;
  #lastEvent = -1;
  #stop: (() => void) | undefined;
  #talkspurt = true;

  private constructor(host: string, socket: Socket) {
    this.#host = host;
    this.#socket = socket;
    this.#listen(socket);
  }

  static async open(host: string): Promise<RtpStream> {
    return new RtpStream(host, await bound(host));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get ssrc(): number {
    return this.#ssrc;
  }

  /** Says where to send; the first time starts sending. */
  direct(target: RtpTarget): void {
    this.#target = target;
    this.#stop ??= pace(FRAME_MS, () => {
      this.#sendFrame();
    });
  }

  /** Sends this in place of silence; resolves when a source of limited length has been sent. */
  play(source: AudioSource): Promise<void> {
    this.#played?.();
    this.#source = source;
    return new Promise((resolve) => (this.#played = resolve));
  }

  /** Back to silence. */
  stop(): void {
    this.#played?.();
    this.#played = undefined;
    this.#source = silenceSource();
  }

  /** Sends one RFC 4733 digit of `ms`; resolves when its last packet is out. */
  digit(digit: string, ms = 100): Promise<void> {
    const code = DIGITS.indexOf(digit.toUpperCase());
    if (digit.length !== 1 || code < 0) throw new Error(`not a digit: ${digit}`);
    if (this.#target?.events === undefined) throw new Error("the other side takes no RFC 4733 events");
    return new Promise((resolve) => {
      const frames = Math.max(2, Math.ceil(ms / FRAME_MS));
      this.#event = { code, timestamp: this.#timestamp, frames, sent: 0, resolve };
    });
  }

  /** Misbehave: go on under another SSRC, sequence and timestamp. */
  changeSsrc(): void {
    this.#ssrc = (this.#ssrc ^ 0x5a5a_5a5a) >>> 0;
    this.#sequence = randomInt(0x1_0000);
    this.#timestamp = randomInt(0x7fff_ffff);
  }

  /** Misbehave: go on from another source port, as behind a rebooted NAT. Both ports are listened on. */
  async changePort(): Promise<void> {
    const socket = await bound(this.#host);
    this.#listen(socket);
    const old = this.#socket;
    this.#socket = socket;
    this.#old.push(old);
  }
  readonly #old: Socket[] = [];

  /** Misbehave: send bytes as they are to the other side's RTP port. */
  sendRaw(data: Uint8Array): void {
    if (this.#target) this.#socket.send(data, this.#target.port, this.#target.host);
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#played?.();
    this.#event?.resolve();
    for (const socket of [this.#socket, ...this.#old]) {
      socket.removeAllListeners("message");
      try {
        socket.close();
      } catch {
        // Closed already.
      }
    }
  }

  #listen(socket: Socket): void {
    socket.on("message", (packet) => {
      this.#receive(packet);
    });
    socket.on("error", () => undefined);
  }

  #sendFrame(): void {
    const target = this.#target;
    if (!target || this.muted) {
      this.#timestamp += FRAME_SAMPLES;
      this.#talkspurt = true;
      return;
    }
    if (this.#event && target.events !== undefined) this.#sendEvent(this.#event, target.events);
    else {
      const frame = this.#source.next(FRAME_SAMPLES);
      const payload = target.codec === "PCMU" ? encodeUlaw(frame) : encodeAlaw(frame);
      this.#send(payloadTypeOf[target.codec], this.#talkspurt, this.#timestamp, payload);
      this.#talkspurt = false;
    }
    this.#timestamp = (this.#timestamp + FRAME_SAMPLES) >>> 0;
    if (this.#source.ended) this.stop();
  }

  #sendEvent(event: Event, payloadType: number): void {
    const marker = event.sent === 0;
    event.sent++;
    const ended = event.sent >= event.frames;
    const payload = Buffer.from([event.code, (ended ? 0x80 : 0) | EVENT_VOLUME, 0, 0]);
    payload.writeUInt16BE(Math.min(event.sent, event.frames) * FRAME_SAMPLES, 2);
    this.#send(payloadType, marker, event.timestamp, payload);
    if (event.sent < event.frames + END_PACKETS - 1) return;
    this.#event = undefined;
    this.#talkspurt = true;
    event.resolve();
  }

  #send(payloadType: number, marker: boolean, timestamp: number, payload: Uint8Array): void {
    const packet = Buffer.alloc(HEADER_BYTES + payload.length);
    packet[0] = 0x80;
    packet[1] = (marker ? 0x80 : 0) | payloadType;
    packet.writeUInt16BE(this.#sequence, 2);
    packet.writeUInt32BE(timestamp >>> 0, 4);
    packet.writeUInt32BE(this.#ssrc, 8);
    packet.set(payload, HEADER_BYTES);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.sent++;
    this.sendRaw(packet);
  }

  #receive(packet: Buffer): void {
    const extended = ((packet[0] ?? 0) & 0x10) !== 0;
    const csrcEnd = HEADER_BYTES + ((packet[0] ?? 0) & 0x0f) * 4;
    const start =
      extended && packet.length >= csrcEnd + 4 ? csrcEnd + 4 + packet.readUInt16BE(csrcEnd + 2) * 4 : csrcEnd;
    if (packet.length < HEADER_BYTES || (packet[0] ?? 0) >> 6 !== 2 || start > packet.length) {
      this.received.malformed++;
      return;
    }
    const type = (packet[1] ?? 0) & 0x7f;
    const [timestamp, ssrc, payload] = [
      packet.readUInt32BE(4),
      packet.readUInt32BE(8),
      packet.subarray(start),
    ];
    if (type === 0 || type === 8) {
      this.received.audio++;
      this.ssrcsHeard.add(ssrc);
      this.heard.push(type === 0 ? decodeUlaw(payload) : decodeAlaw(payload), timestamp, ssrc);
    } else if (type === this.#target?.events && payload.length >= 4) {
      this.received.events++;
      if (timestamp !== this.#lastEvent) this.digitsHeard.push(DIGITS[payload[0] ?? 0] ?? "?");
      this.#lastEvent = timestamp;
    } else this.received.other++;
  }
}

async function bound(host: string): Promise<Socket> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.bind(0, host);
  await once(socket, "listening");
  return socket;
}
