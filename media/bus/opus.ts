import { Decoder, Encoder } from "@evan/opus";
import { BUS_RATE, type Frame } from "./frame.ts";

/** Speech at 24 kbit/s: transparent for telephone and radio audio, and good wideband speech. */
const BITRATE = 24_000;
/** Half the processor time of complexity 10 for a difference nobody hears on speech. */
const COMPLEXITY = 5;
/** Longest packet the decoder is given (RFC 6716 §3.4: 1275 octets a frame). */
const MAX_PACKET = 1_500;

/** Encodes bus frames as one 20 ms mono packet each. */
export class OpusEncoder {
  readonly #encoder = new Encoder({ channels: 1, sample_rate: BUS_RATE, application: "voip" });

  constructor() {
    this.#encoder.bitrate = BITRATE;
    this.#encoder.complexity = COMPLEXITY;
    this.#encoder.signal = "voice";
  }

  encode(frame: Frame): Uint8Array {
    return this.#encoder.encode(frame);
  }
}

/** Decodes packets of one talker to the bus rate, mono. */
export class OpusDecoder {
  readonly #decoder = new Decoder({ channels: 1, sample_rate: BUS_RATE });

  /** As many samples as the packet holds (20 ms as a rule, 120 ms at most); undefined for a packet that is no Opus. */
  decode(packet: Uint8Array): Int16Array | undefined {
    if (packet.length === 0 || packet.length > MAX_PACKET) return undefined;
    try {
      const octets = this.#decoder.decode(packet);
      return new Int16Array(octets.buffer, octets.byteOffset, octets.byteLength >> 1);
    } catch {
      return undefined;
    }
  }

  /** Forgets the past: a new burst begins. */
  reset(): void {
    this.#decoder.reset();
  }
}
