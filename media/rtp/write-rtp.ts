import { randomInt } from "node:crypto";
import type { RtpExtension } from "./read-rtp.ts";

const HEADER = 12;
const VERSION_2 = 0x80;
const EXTENDED = 0x10;
const MARKER = 0x80;

/** What a stream's next packet is made of. */
export interface OutgoingPacket {
  readonly payloadType: number;
  readonly payload: Uint8Array;
  /** When it plays, in ms. A gap since the packet before shows in the timestamp, and begins a burst. */
  readonly atMs: number;
  readonly extension?: RtpExtension;
}

/** One outgoing RTP stream: constant SSRC, continuous sequence, timestamps by the clock, marker at the start of a burst. */
export class RtpStream {
  readonly ssrc: number;
  /** Packets and payload octets sent so far, for sender reports. */
  packets = 0;
  octets = 0;
  readonly #clockRate: number;
  #sequence: number;
  #timestamp: number;
  #lastMs: number | undefined;
  #fresh = true;

  constructor(clockRate: number, ssrc = randomInt(1, 0xffff_ffff)) {
    this.ssrc = ssrc;
    this.#clockRate = clockRate;
    // RFC 3550 §5.1: both start anywhere.
    this.#sequence = randomInt(0x1_0000);
    this.#timestamp = randomInt(0x1_0000_0000 - 1);
  }

  /** The timestamp that belongs to a moment, for sender reports. */
  timestampAt(ms: number): number {
    if (this.#lastMs === undefined) return this.#timestamp;
    return (this.#timestamp + Math.round(((ms - this.#lastMs) * this.#clockRate) / 1_000)) >>> 0;
  }

  /** The next packet starts a burst. */
  endBurst(): void {
    this.#fresh = true;
  }

  write({ payloadType, payload, atMs, extension }: OutgoingPacket): Buffer {
    this.#timestamp = this.timestampAt(atMs);
    this.#lastMs = atMs;
    const extra = extension ? 4 + extension.body.length : 0;
    const packet = Buffer.allocUnsafe(HEADER + extra + payload.length);
    packet[0] = VERSION_2 | (extension ? EXTENDED : 0);
    packet[1] = payloadType | (this.#fresh ? MARKER : 0);
    packet.writeUInt16BE(this.#sequence, 2);
    packet.writeUInt32BE(this.#timestamp, 4);
    packet.writeUInt32BE(this.ssrc, 8);
    if (extension) {
      packet.writeUInt16BE(extension.profile, HEADER);
      packet.writeUInt16BE(extension.body.length / 4, HEADER + 2);
      packet.set(extension.body, HEADER + 4);
    }
    packet.set(payload, HEADER + extra);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#fresh = false;
    this.packets++;
    this.octets += payload.length;
    return packet;
  }
}
