import type { Consumer, Producer, WebRtcTransport } from "mediasoup/types";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import {
  extensionCapability,
  opusCapability,
  producerParameters,
  videoCapabilities,
} from "./router-parameters.ts";
import { LEVEL_EXTENSION, MID_EXTENSION } from "./sdp/profile.ts";
import type { BrowserLine, BrowserMedia } from "./sdp/read-browser.ts";
import type { LocalTransport } from "./sdp/write-description.ts";
import type { MediaWorker } from "./worker.ts";

/** How long the network may be gone before a browser counts as lost, in seconds. RFC 7675 §5.1. */
const ICE_CONSENT_S = 30;

export type TransportEnd = "silent" | "media-failed";

/** One browser's ICE and DTLS association and the streams in it. */
export class BrowserTransport {
  readonly #worker: MediaWorker;
  readonly #transport: WebRtcTransport;
  #fingerprint: string | undefined;
  readonly #producers = new Map<string, { readonly producer: Producer; readonly ssrc: number | undefined }>();
  readonly #slots = new Map<string, Consumer>();
  /** What each slot is to show, by mid. */
  readonly #wanted = new Map<string, Producer>();

  private constructor(worker: MediaWorker, transport: WebRtcTransport, onEnd: (end: TransportEnd) => void) {
    this.#worker = worker;
    this.#transport = transport;
    transport.on("icestatechange", (state) => {
      if (state === "disconnected") onEnd("silent");
    });
    transport.on("dtlsstatechange", (state) => {
      if (state === "failed") onEnd("media-failed");
      // A browser whose page is closed says so here, some time before its BYE is missed.
      else if (state === "closed" && !transport.closed) onEnd("silent");
    });
  }

  /** @throws CrossbandError WORKER_UNAVAILABLE */
  static async open(worker: MediaWorker, onEnd: (end: TransportEnd) => void): Promise<BrowserTransport> {
    const transport = await native(() =>
      worker.router.createWebRtcTransport({
        webRtcServer: worker.server,
        enableTcp: false,
        iceConsentTimeout: ICE_CONSENT_S,
      }),
    );
    return new BrowserTransport(worker, transport, onEnd);
  }

  get connected(): boolean {
    return this.#transport.dtlsState === "connected";
  }

  /** Our side, for descriptions. */
  get local(): LocalTransport {
    const { iceParameters, iceCandidates, dtlsParameters } = this.#transport;
    const fingerprint = dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === "sha-256");
    if (fingerprint === undefined)
      throw new CrossbandError(ErrorCode.WorkerUnavailable, "worker has no fingerprint");
    return {
      ice: { ufrag: iceParameters.usernameFragment, pwd: iceParameters.password },
      fingerprint: { algorithm: "sha-256", value: fingerprint.value },
      candidates: iceCandidates.map(({ foundation, priority, address, port, protocol }) => ({
        foundation,
        priority,
        address,
        port,
        protocol,
      })),
    };
  }

  /**
   * Takes the browser's part in the handshake, once.
   *
   * @throws CrossbandError SDP_NOT_ACCEPTABLE when it comes with another certificate than before, WORKER_UNAVAILABLE
   */
  async connect({ fingerprint, dtlsRole }: BrowserMedia): Promise<void> {
    if (this.#fingerprint === fingerprint.value) return;
    if (this.#fingerprint !== undefined) {
      const warning = "a changed certificate needs a new call";
      throw new CrossbandError(ErrorCode.SdpNotAcceptable, warning, { warning });
    }
    await native(() =>
      this.#transport.connect({ dtlsParameters: { role: dtlsRole, fingerprints: [fingerprint] } }),
    );
    this.#fingerprint = fingerprint.value;
  }

  /** The stream that the browser sends on a line, made when it is first there; undefined while it is off. */
  async receive(read: BrowserLine, on: boolean): Promise<Producer | undefined> {
    const { mid } = read.line;
    const known = this.#producers.get(mid);
    if (known !== undefined && (!on || known.ssrc === read.ssrc || read.ssrc === undefined)) {
      await native(() => (on ? known.producer.resume() : known.producer.pause()));
      return on ? known.producer : undefined;
    }
    if (!on) return undefined;
    // The router binds a producer to its SSRC for good.
    known?.producer.close();
    const kind = read.line.role === "audio" ? "audio" : "video";
    const producer = await native(() =>
      this.#transport.produce({ kind, rtpParameters: producerParameters(read, kind) }),
    );
    this.#producers.set(mid, { producer, ssrc: read.ssrc });
    return producer;
  }

  /** Our audio to the browser, on one consumer for good; paused until the caller says otherwise. */
  async sendAudio(producer: Producer, { line }: BrowserLine): Promise<Consumer> {
    // A browser that numbered the extensions itself would misread ours: RFC 8285 §5.
    const headerExtensions =
      line.extensions === undefined ? [extensionCapability("audio", MID_EXTENSION)] : [];
    return native(() =>
      this.#transport.consume({
        producerId: producer.id,
        rtpCapabilities: { codecs: [opusCapability], headerExtensions },
        mid: line.mid,
        paused: true,
      }),
    );
  }

  /** Shows a camera in a slot in place of whatever is there. */
  async show(mid: string, camera: Producer, onLost: () => void): Promise<void> {
    this.clear(mid);
    this.#wanted.set(mid, camera);
    const consumer = await native(() =>
      this.#transport.consume({
        producerId: camera.id,
        rtpCapabilities: videoCapabilities,
        mid,
        paused: false,
      }),
    );
    // The wish may have changed while the worker answered.
    if (this.#wanted.get(mid) !== camera) {
      consumer.close();
      return;
    }
    this.#slots.set(mid, consumer);
    consumer.on("producerclose", onLost);
  }

  clear(mid: string): void {
    this.#wanted.delete(mid);
    this.#slots.get(mid)?.close();
    this.#slots.delete(mid);
  }

  /** Packets of the browser's audio, for us: with its level, and nothing else besides. */
  async tap(microphone: Producer): Promise<Consumer> {
    return native(() =>
      this.#worker.direct.consume({
        producerId: microphone.id,
        rtpCapabilities: {
          codecs: [opusCapability],
          headerExtensions: [extensionCapability("audio", LEVEL_EXTENSION)],
        },
        paused: true,
      }),
    );
  }

  close(): void {
    this.#transport.close();
  }
}

/** Runs a call of the media router; whatever it throws means that the worker cannot serve us. */
async function native<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw new CrossbandError(ErrorCode.WorkerUnavailable, "media worker refused a request", {}, { cause });
  }
}
