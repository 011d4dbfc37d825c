import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { Recording } from "../audio/recording.ts";
import {
  FRAME_SAMPLES,
  sampleSource,
  silenceSource,
  speechSample,
  toneSource,
  type AudioSource,
} from "../audio/sources.ts";
import { pace } from "../pace.ts";

export interface UsrpRadioOptions {
  /** `host:port` to receive on; port 0 takes a free one. */
  readonly listen?: string;
  /** `host:port` of the bridge's channel. */
  readonly remote: string;
}

/** The bridge keyed or unkeyed us. */
export interface KeyEvent {
  readonly keyed: boolean;
  readonly atMs: number;
  /** Octets of the datagram that did it. */
  readonly bytes: number;
}

const HEADER_BYTES = 32;
const AUDIO_BYTES = FRAME_SAMPLES * 2;
const FRAME_MS = 20;

/** A radio on the far side of a USRP channel: an AllStar node as the bridge sees it. Written apart from the bridge's codec. */
export class UsrpRadio {
  /** What the bridge had us put on the air. */
  readonly heard = new Recording();
  readonly keyEvents: KeyEvent[] = [];
  readonly received = { audio: 0, unkey: 0, other: 0, malformed: 0 };
  /** Sequence numbers that came, in order. */
  readonly sequences: number[] = [];
  /** Texts of SET_INFO and the like, as bytes. */
  readonly texts: Buffer[] = [];
  readonly #socket: Socket;
  readonly #remote: { host: string; port: number };
  readonly #waiters = new Set<() => void>();
  #keyedByBridge = false;
  #sequence = 0;
  #source: AudioSource = silenceSource();
  #stop: (() => void) | undefined;
  #played: (() => void) | undefined;
  #heardSamples = 0;

  private constructor(socket: Socket, remote: { host: string; port: number }) {
    this.#socket = socket;
    this.#remote = remote;
    socket.on("message", (datagram) => {
      this.#receive(datagram);
    });
    socket.on("error", () => undefined);
  }

  static async open({ listen = "127.0.0.1:0", remote }: UsrpRadioOptions): Promise<UsrpRadio> {
    const { host, port } = splitAddress(listen);
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.bind(port, host);
    await once(socket, "listening");
    return new UsrpRadio(socket, splitAddress(remote));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** True while the bridge has us transmit. */
  get transmitting(): boolean {
    return this.#keyedByBridge;
  }

  /** Our receiver's squelch opens: frames go to the bridge every 20 ms, silence unless told otherwise. */
  key(source: AudioSource = silenceSource()): void {
    this.#source = source;
    this.#stop ??= pace(FRAME_MS, () => {
      this.#sendFrame();
    });
  }

  /** Squelch closes: one header without audio, as chan_usrp does. `lost` leaves even that out. */
  unkey({ lost = false, withAudio = false }: { lost?: boolean; withAudio?: boolean } = {}): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#played?.();
    this.#played = undefined;
    if (!lost) this.sendRaw(this.frame(false, withAudio ? new Int16Array(FRAME_SAMPLES) : undefined));
  }

  /** Keys, sends a tone of `ms`, unkeys; without `ms` it stays keyed. */
  async sendTone(hz: number, { db = -10, ms }: { db?: number; ms?: number } = {}): Promise<void> {
    this.key(toneSource(hz, { db, ...(ms !== undefined && { ms }) }));
    if (ms === undefined) return;
    await this.#whenPlayed();
    this.unkey();
  }

  /** Keys, sends speech once, unkeys. */
  async sendSpeech(samples: Int16Array = speechSample()): Promise<void> {
    this.key(sampleSource(samples));
    await this.#whenPlayed();
    this.unkey();
  }

  /** Datagram of our next sequence number. */
  frame(keyed: boolean, samples?: Int16Array): Buffer {
    const datagram = Buffer.alloc(HEADER_BYTES + (samples ? AUDIO_BYTES : 0));
    datagram.write("USRP", 0, "latin1");
    datagram.writeUInt32BE(this.#sequence++, 4);
    datagram.writeUInt32BE(keyed ? 1 : 0, 12);
    samples?.forEach((sample, i) => datagram.writeInt16LE(sample, HEADER_BYTES + i * 2));
    return datagram;
  }

  sendRaw(datagram: Uint8Array): void {
    this.#socket.send(datagram, this.#remote.port, this.#remote.host);
  }

  /** Restarts our sequence numbers, as a node that rebooted. */
  restart(): void {
    this.#sequence = 0;
  }

  /** Resolves once the bridge keys (or unkeys) us; at once when it is so already. */
  until(state: "keyed" | "unkeyed", deadlineMs = 3_000): Promise<void> {
    const wanted = state === "keyed";
    if (this.#keyedByBridge === wanted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const check = () => {
        if (this.#keyedByBridge !== wanted) return;
        clearTimeout(timer);
        this.#waiters.delete(check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(check);
        reject(
          new Error(
            `the radio was not ${state} within ${deadlineMs} ms; received ${JSON.stringify(this.received)}`,
          ),
        );
      }, deadlineMs);
      this.#waiters.add(check);
    });
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#played?.();
    this.#socket.removeAllListeners("message");
    this.#socket.close();
  }

  #whenPlayed(): Promise<void> {
    return new Promise((resolve) => (this.#played = resolve));
  }

  #sendFrame(): void {
    this.sendRaw(this.frame(true, this.#source.next(FRAME_SAMPLES)));
    if (!this.#source.ended) return;
    this.#source = silenceSource();
    this.#played?.();
    this.#played = undefined;
  }

  #receive(datagram: Buffer): void {
    if (datagram.length < HEADER_BYTES || datagram.toString("latin1", 0, 4) !== "USRP") {
      this.received.malformed++;
      return;
    }
    this.sequences.push(datagram.readUInt32BE(4));
    const keyed = datagram.readUInt32BE(12) === 1;
    const type = datagram.readUInt32LE(20);
    if (type === 2) this.texts.push(datagram.subarray(HEADER_BYTES));
    if (type !== 0) {
      this.received.other++;
      return;
    }
    if (keyed && datagram.length === HEADER_BYTES + AUDIO_BYTES) {
      const samples = Int16Array.from({ length: FRAME_SAMPLES }, (_, i) =>
        datagram.readInt16LE(HEADER_BYTES + i * 2),
      );
      this.received.audio++;
      this.heard.push(samples, this.#heardSamples);
      this.#heardSamples += FRAME_SAMPLES;
    } else if (!keyed) this.received.unkey++;
    if (keyed === this.#keyedByBridge) return;
    this.#keyedByBridge = keyed;
    this.keyEvents.push({ keyed, atMs: Date.now(), bytes: datagram.length });
    for (const wake of this.#waiters) wake();
  }
}

function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}
