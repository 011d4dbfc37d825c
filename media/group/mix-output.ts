import { encodeG711, pcma, pcmu, type G711 } from "#media/bus/g711.codec.ts";
import { FRAME_SAMPLES, type Frame } from "#media/bus/frame.ts";
import { Downsampler } from "#media/bus/half-band.ts";
import { OpusEncoder } from "#media/bus/opus.ts";
import type { MixFrame, PayloadKind } from "./leg.ts";

const NARROW_SAMPLES = FRAME_SAMPLES / 2;

/**
 * One stream of audio on its way out: the mix of a group, or what one participant alone hears. Keeps the memory of its
 * encoders, so give it every frame of a burst in order. Nothing is encoded that nobody takes.
 */
export class MixOutput {
  readonly #down = new Downsampler(NARROW_SAMPLES);
  readonly #shared: boolean;
  #opus: OpusEncoder | undefined;

  constructor(shared: boolean) {
    this.#shared = shared;
  }

  /** Takes over from another stream that the same listener has heard until now. */
  continueFrom(other: MixOutput): void {
    this.#down.continueFrom(other.#down);
  }

  frame(pcm: Frame, atMs: number): MixFrame {
    let narrow: Int16Array | undefined;
    const made = new Map<PayloadKind, Uint8Array>();
    const encode = (kind: PayloadKind): Uint8Array => {
      switch (kind) {
        case "opus":
          return (this.#opus ??= new OpusEncoder()).encode(pcm);
        case "pcmu":
          return compress(pcmu, (narrow ??= this.#down.process(pcm)));
        case "pcma":
          return compress(pcma, (narrow ??= this.#down.process(pcm)));
        case "l16":
          return networkOrder((narrow ??= this.#down.process(pcm)));
      }
    };
    return {
      pcm,
      atMs,
      shared: this.#shared,
      payload(kind) {
        const known = made.get(kind);
        if (known) return known;
        const octets = encode(kind);
        made.set(kind, octets);
        return octets;
      },
    };
  }
}

function compress(law: G711, pcm: Int16Array): Uint8Array {
  const octets = new Uint8Array(pcm.length);
  encodeG711(law, pcm, octets);
  return octets;
}

/** L16 is big-endian (RFC 3551 §4.5.11). */
function networkOrder(pcm: Int16Array): Uint8Array {
  const octets = Buffer.allocUnsafe(2 * pcm.length);
  for (let i = 0; i < pcm.length; i++) octets.writeInt16BE(pcm[i] ?? 0, 2 * i);
  return octets;
}
