import { randomInt } from "node:crypto";
import type { DirectTransport, Producer } from "mediasoup/types";
import { FRAME_MS } from "#media/bus/frame.ts";
import type { MixFrame } from "#media/group/leg.ts";
import { OPUS_PAYLOAD_TYPE } from "./sdp/profile.ts";

/** RFC 7587 §4.1: the clock of Opus in RTP, whatever the audio's rate. */
const TICKS_PER_MS = 48;
/** RFC 3550 §5.1: a header without sources or extensions. */
const HEADER_BYTES = 12;
const VERSION_2 = 0b1000_0000;
const MARKER = 0b1000_0000;

/**
 * A stream of mixes into the media router: one SSRC for good, sequence without gaps, timestamps that go on with the clock
 * while nothing is sent, and the marker at the start of each burst. Receivers stay on it for as long as they listen.
 */
export class OpusOut {
  readonly producer: Producer;
  readonly #ssrc: number;
  #sequence = randomInt(0x1_00_00);
  #timestamp = randomInt(0x1_00_00_00_00);
  #lastMs: number | undefined;
  #lastMix: MixFrame | undefined;
  #burst = false;

  private constructor(producer: Producer, ssrc: number) {
    this.producer = producer;
    this.#ssrc = ssrc;
  }

  static async open(direct: DirectTransport): Promise<OpusOut> {
    const ssrc = randomInt(1, 0x1_00_00_00_00);
    const producer = await direct.produce({
      kind: "audio",
      rtpParameters: {
        codecs: [
          {
            mimeType: "audio/opus",
            payloadType: OPUS_PAYLOAD_TYPE,
            clockRate: 48_000,
            channels: 2,
            parameters: { useinbandfec: 1, minptime: 10 },
            rtcpFeedback: [],
          },
        ],
        encodings: [{ ssrc }],
      },
    });
    return new OpusOut(producer, ssrc);
  }

  /** Sends one mix; the same one again is not sent twice. */
  send(mix: MixFrame): void {
    if (mix === this.#lastMix || this.producer.closed) return;
    this.#lastMix = mix;
    const stepMs = this.#lastMs === undefined ? 0 : Math.max(FRAME_MS, mix.atMs - this.#lastMs);
    this.#lastMs = mix.atMs;
    this.#sequence += 1;
    this.#timestamp = (this.#timestamp + stepMs * TICKS_PER_MS) % 0x1_00_00_00_00;
    const payload = mix.payload("opus");
    const packet = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
    packet[0] = VERSION_2;
    packet[1] = OPUS_PAYLOAD_TYPE | (this.#burst ? 0 : MARKER);
    packet.writeUInt16BE(this.#sequence & 0xff_ff, 2);
    packet.writeUInt32BE(this.#timestamp, 4);
    packet.writeUInt32BE(this.#ssrc, 8);
    packet.set(payload, HEADER_BYTES);
    this.#burst = true;
    this.producer.send(packet);
  }

  endBurst(): void {
    this.#burst = false;
    // Holds a frame of audio, which nobody needs any more.
    this.#lastMix = undefined;
  }

  close(): void {
    this.producer.close();
  }
}
