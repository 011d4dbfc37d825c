import { randomInt } from "node:crypto";
import type { Consumer, Producer } from "mediasoup/types";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Description, LegAnswer, Member, Participant } from "#common/media-control.ts";
import type { Frame } from "#media/bus/frame.ts";
import type { LegOpening, MediaLeg, MixFrame } from "#media/group/leg.ts";
import type { BrowserRoom, Listening } from "./browser-room.ts";
import { BrowserTransport, type TransportEnd } from "./browser-transport.ts";
import { Negotiation } from "./negotiation.ts";
import { OpusIn } from "./opus-in.ts";
import type { Line } from "./sdp/layout.ts";
import { receives, sends } from "./sdp/description.ts";
import type { BrowserLine, BrowserMedia } from "./sdp/read-browser.ts";
import type { Viewer } from "./video-room.ts";
import type { MediaWorker } from "./worker.ts";

/** A browser that has not connected this long after its description was accepted never will. */
const CONNECT_LIMIT_MS = 30_000;

export interface BrowserLegOptions extends LegOpening {
  readonly room: BrowserRoom;
  /** The worker that runs now. @throws CrossbandError WORKER_UNAVAILABLE */
  readonly worker: () => MediaWorker;
  readonly count: (name: string, reason?: string) => void;
  /** Runs once, when the leg closes. */
  onClose(leg: BrowserLeg): void;
}

/** A browser in a group: its microphone, the group's sound, its camera and the cameras of others. */
export class BrowserLeg implements MediaLeg, Viewer {
  readonly id: string;
  readonly member: Member;
  readonly #options: BrowserLegOptions;
  readonly #negotiation = new Negotiation(String(randomInt(1, 2 ** 47)));
  #transport: BrowserTransport | undefined;
  #listening: Listening | undefined;
  #speaker: Consumer | undefined;
  #microphone: { readonly producer: Producer; readonly input: OpusIn } | undefined;
  #camera: Producer | undefined;
  #openSlots: readonly string[] = [];
  #takesSound = false;
  #heard = false;
  #silentSinceMs: number | undefined;
  #closed = false;
  /** Exchanges run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #last: { readonly key: string; readonly answer: LegAnswer } | undefined;

  constructor(options: BrowserLegOptions) {
    this.#options = options;
    this.id = options.id;
    this.member = options.member;
    options.room.video.join(this);
  }

  get camera(): boolean {
    return this.#camera !== undefined;
  }

  get listens(): boolean {
    return this.#takesSound;
  }

  get participant(): Participant {
    return { ...this.member, leg: this.id, camera: this.camera };
  }

  get cameraProducer(): Producer | undefined {
    return this.#camera;
  }

  get openSlots(): readonly string[] {
    return this.#openSlots;
  }

  async negotiate(description: Description): Promise<LegAnswer> {
    const turn = this.#turn.then(() => this.#exchange(description));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  setHeard(heard: boolean): void {
    if (heard === this.#heard) return;
    this.#heard = heard;
    this.#microphone?.input.setHeard(heard);
    if (heard) this.#options.room.video.talks(this);
    this.#setSpeaker();
  }

  pull(): Frame | undefined {
    return this.#microphone?.input.pull();
  }

  send(mix: MixFrame): void {
    this.#listening?.send(mix);
  }

  /** A stream of mixes tells a new burst by the gap before it. */
  endBurst(): void {
    return;
  }

  /** The console shows its user what became of a press. */
  setFloor(): void {
    return;
  }

  everySecond(nowMs: number): void {
    this.#microphone?.input.tick();
    if (this.#transport === undefined || this.#transport.connected || !this.#negotiation.begun) return;
    this.#silentSinceMs ??= nowMs;
    if (nowMs - this.#silentSinceMs >= CONNECT_LIMIT_MS) this.end("silent");
  }

  /** Tells the group that this leg cannot go on. */
  end(reason: TransportEnd): void {
    if (this.#closed) return;
    this.#options.count("browser_legs_ended", reason);
    this.#options.host.ended(this, reason);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#takesSound = false;
    this.#openSlots = [];
    this.#camera = undefined;
    this.#release();
    this.#options.room.video.leave(this);
    this.#options.onClose(this);
  }

  async show(mid: string, camera: Producer, onLost: () => void): Promise<void> {
    await this.#transport?.show(mid, camera, onLost);
  }

  clear(mid: string): void {
    this.#transport?.clear(mid);
  }

  announce(slots: readonly { readonly mid: string; readonly from?: Participant }[]): void {
    if (this.#closed) return;
    this.#options.host.publish({ type: "video", group: this.#options.group.id, leg: this.id, slots });
  }

  #checkOpen(): void {
    if (this.#closed) throw new CrossbandError(ErrorCode.WorkerUnavailable, "leg is closed");
  }

  /** Lets go of everything in the worker; what an exchange still makes afterwards is released at its end. */
  #release(): void {
    this.#microphone?.input.close();
    this.#microphone = undefined;
    this.#listening?.close();
    this.#transport?.close();
  }

  async #exchange(description: Description): Promise<LegAnswer> {
    this.#checkOpen();
    const key = JSON.stringify(description);
    // A request that was sent again is answered alike.
    if (this.#last?.key === key) return this.#last.answer;
    try {
      const answer = await this.#answerTo(description);
      this.#checkOpen();
      this.#last = { key, answer };
      return answer;
    } catch (error) {
      this.#options.count(
        "browser_descriptions_refused",
        error instanceof CrossbandError ? error.code : "unexpected",
      );
      throw error;
    }
  }

  async #answerTo(description: Description): Promise<LegAnswer> {
    switch (description.type) {
      case "none": {
        const { local } = await this.#openTransport();
        return { description: { type: "offer", sdp: this.#negotiation.offer(local, this.#ssrcOf) } };
      }
      case "answer": {
        const media = this.#negotiation.readAnswer(description.sdp);
        await this.#carryOut(media);
        return {};
      }
      case "offer": {
        const media = this.#negotiation.readOffer(description.sdp);
        const { local } = await this.#carryOut(media);
        const sdp = this.#negotiation.answer(media, local, this.#ssrcOf);
        return { description: { type: "answer", sdp } };
      }
      case "rtp":
        throw new CrossbandError(ErrorCode.SdpNotAcceptable, "a browser has no plain RTP", {
          warning: "a session description is required",
        });
    }
  }

  /** Where the browser numbered the extensions it knows our sound by its SSRC, else by the mid. */
  readonly #ssrcOf = ({ role, extensions }: Line): number | undefined =>
    role === "audio" && extensions !== undefined
      ? this.#speaker?.rtpParameters.encodings?.[0]?.ssrc
      : undefined;

  async #openTransport(): Promise<BrowserTransport> {
    this.#transport ??= await BrowserTransport.open(this.#options.worker(), (reason) => {
      this.end(reason);
    });
    return this.#transport;
  }

  /** Makes the streams be as a description says, and keeps its lines. */
  async #carryOut(media: BrowserMedia): Promise<BrowserTransport> {
    const transport = await this.#openTransport();
    await transport.connect(media);
    const before = this.camera;
    for (const read of media.lines) {
      if (read.line.role === "audio") await this.#setAudio(transport, read);
      else if (read.line.role === "camera")
        this.#camera = await transport.receive(read, receives(read.direction));
    }
    this.#openSlots = media.lines
      .filter(({ line, direction }) => line.role === "slot" && sends(direction))
      .map(({ line }) => line.mid);
    this.#negotiation.settle(media);
    this.#checkOpen();
    this.#options.room.video.refresh();
    if (before !== this.camera) this.#options.host.changed(this);
    return transport;
  }

  async #setAudio(transport: BrowserTransport, read: BrowserLine): Promise<void> {
    // A browser on hold offers sendonly and goes on sending: what it says then is for nobody. RFC 3264 §8.4.
    const microphone = await transport.receive(read, read.direction === "sendrecv");
    if (microphone !== undefined && microphone !== this.#microphone?.producer) {
      this.#microphone?.input.close();
      const tap = await transport.tap(microphone);
      this.#microphone = { producer: microphone, input: this.#openInput(tap) };
    }
    this.#listening ??= await this.#options.room.listen();
    this.#speaker ??= await transport.sendAudio(this.#listening.producer, read);
    this.#takesSound = sends(read.direction);
    this.#setSpeaker();
  }

  #openInput(tap: Consumer): OpusIn {
    const { host, group } = this.#options;
    const input = new OpusIn(tap, {
      onDropped: (reason) => {
        this.#options.count("browser_packets_dropped", reason);
      },
      // In half duplex the floor decides who is heard, and a browser asks for it by its console.
      ...(group.mode === "full-duplex" && {
        onVoice: (active: boolean) => {
          host.voice(this, active);
        },
      }),
    });
    input.setHeard(this.#heard);
    return input;
  }

  /** The shared mix of a half-duplex group holds the talker too, who must not hear itself. */
  #setSpeaker(): void {
    const speaker = this.#speaker;
    if (speaker === undefined) return;
    const on = this.#takesSound && !(this.#heard && this.#options.group.mode === "half-duplex");
    // Refused only when the worker is gone, and then all legs end.
    (on ? speaker.resume() : speaker.pause()).catch(() => undefined);
  }
}
