import type { Producer } from "mediasoup/types";
import type { GroupPolicy } from "#common/media-control.ts";
import type { MixFrame } from "#media/group/leg.ts";
import { OpusOut } from "./opus-out.ts";
import { VideoRoom } from "./video-room.ts";
import type { MediaWorker } from "./worker.ts";

/** The browsers of one group on one worker: what they share. */
export class BrowserRoom {
  readonly video = new VideoRoom();
  readonly #worker: () => MediaWorker;
  readonly #halfDuplex: boolean;
  #opening: Promise<OpusOut> | undefined;
  #shared: OpusOut | undefined;

  /** @param worker the one that runs now. @throws CrossbandError WORKER_UNAVAILABLE */
  constructor(mode: GroupPolicy["mode"], worker: () => MediaWorker) {
    this.#halfDuplex = mode === "half-duplex";
    this.#worker = worker;
  }

  /**
   * The stream a leg listens to: in half duplex one for all, which a talker merely does not receive; in full duplex one of
   * its own, since every talker hears another mix.
   */
  async listen(): Promise<Listening> {
    if (!this.#halfDuplex) {
      const own = await OpusOut.open(this.#worker().direct);
      return {
        producer: own.producer,
        send: (mix) => {
          own.send(mix);
        },
        close: () => {
          own.close();
        },
      };
    }
    const shared = await this.#sharedStream();
    return {
      producer: shared.producer,
      // A tone or mix for one leg alone must not reach the others.
      send: (mix) => {
        if (mix.shared) shared.send(mix);
      },
      close: () => undefined,
    };
  }

  close(): void {
    this.#shared?.close();
  }

  async #sharedStream(): Promise<OpusOut> {
    this.#opening ??= OpusOut.open(this.#worker().direct);
    try {
      return (this.#shared = await this.#opening);
    } catch (cause) {
      this.#opening = undefined;
      throw cause;
    }
  }
}

/** One leg's place at a stream of mixes. */
export interface Listening {
  readonly producer: Producer;
  send(mix: MixFrame): void;
  close(): void;
}
