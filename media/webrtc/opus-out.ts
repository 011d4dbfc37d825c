import type { DirectTransport, Producer } from "mediasoup/types";
import { FRAME_MS } from "#media/bus/frame.ts";
import type { MixFrame } from "#media/group/leg.ts";
import { RtpStream } from "#media/rtp/write-rtp.ts";
import { OPUS_PAYLOAD_TYPE } from "./sdp/profile.ts";

/** RFC 7587 §4.1: the clock of Opus in RTP, whatever the audio's rate. */
const CLOCK_RATE = 48_000;

/**
 * A stream of mixes into the media router: one SSRC for good, sequence without gaps, timestamps that go on with the clock
 * while nothing is sent. Receivers stay on it for as long as they listen; a timestamp that went back would mute a browser for seconds.
 */
export class OpusOut {
  readonly producer: Producer;
  readonly #stream: RtpStream;
  #last: MixFrame | undefined;

  private constructor(producer: Producer, stream: RtpStream) {
    this.producer = producer;
    this.#stream = stream;
  }

  static async open(direct: DirectTransport): Promise<OpusOut> {
    const stream = new RtpStream(CLOCK_RATE);
    const producer = await direct.produce({
      kind: "audio",
      rtpParameters: {
        codecs: [
          {
            mimeType: "audio/opus",
            payloadType: OPUS_PAYLOAD_TYPE,
            clockRate: CLOCK_RATE,
            channels: 2,
            parameters: { useinbandfec: 1, minptime: 10 },
            rtcpFeedback: [],
          },
        ],
        encodings: [{ ssrc: stream.ssrc }],
      },
    });
    return new OpusOut(producer, stream);
  }

  /**
   * Sends one mix. Given again, as to each leg that shares the stream, it is not sent twice. A burst begins where the mixes have a
   * gap: single legs come and go while it lasts.
   */
  send(mix: MixFrame): void {
    if (mix === this.#last || this.producer.closed) return;
    if (this.#last !== undefined && mix.atMs - this.#last.atMs > FRAME_MS) this.#stream.endBurst();
    this.#last = mix;
    const payload = mix.payload("opus");
    this.producer.send(this.#stream.write({ payloadType: OPUS_PAYLOAD_TYPE, payload, atMs: mix.atMs }));
  }

  close(): void {
    this.producer.close();
  }
}
