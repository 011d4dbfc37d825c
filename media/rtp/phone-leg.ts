import type { RemoteInfo } from "node:dgram";
import type { Description, LegAnswer, Member } from "#common/media-control.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { SILENCE, type Frame } from "#media/bus/frame.ts";
import { decodeG711, pcma, pcmu } from "#media/bus/g711.codec.ts";
import type { LegOpening, MediaLeg, MixFrame } from "#media/group/leg.ts";
import { MixOutput } from "#media/group/mix-output.ts";
import { readPhoneSdp, receives, sends, type PhoneAudio } from "#media/sdp/phone-sdp.ts";
import { SdpWriter } from "#media/sdp/write-sdp.ts";
import type { RtpContext } from "./leg-context.ts";
import { latchTo, type Latch } from "./latch.machine.ts";
import { readRtp, type RtpPacket } from "./read-rtp.ts";
import { Reception } from "./reception.ts";
import { readRtcpTypes, writeBye, writeReport } from "./rtcp.codec.ts";
import { RtpSocket } from "./rtp-socket.ts";
import { receiveEvent, type TelephoneEvents } from "./telephone-event.machine.ts";
import { VoiceInput } from "./voice-input.ts";
import { RtpStream } from "./write-rtp.ts";

const CLOCK_RATE = 8_000;
/** RFC 3550 §6.2: a report each 5 s. */
const REPORT_MS = 5_000;
/** A quiet stream sends one packet of silence this often, so that address translators keep its way open. */
const KEEPALIVE_MS = 15_000;

/** A telephone on plain RTP: G.711, telephone-events, symmetric RTP. */
export class PhoneLeg implements MediaLeg {
  readonly id: string;
  readonly member: Member;
  readonly camera = false;
  readonly #context: RtpContext;
  readonly #opening: LegOpening;
  readonly #stream = new RtpStream(CLOCK_RATE);
  readonly #reception = new Reception();
  readonly #voice: VoiceInput;
  #socket: RtpSocket | undefined;
  #writer: SdpWriter | undefined;
  #remote: PhoneAudio | undefined;
  #latch: Latch | undefined;
  #events: TelephoneEvents = [];
  #heardMs: number;
  #sentMs = 0;
  #reportMs = 0;
  #closed = false;

  constructor(opening: LegOpening, context: RtpContext) {
    this.id = opening.id;
    this.member = opening.member;
    this.#opening = opening;
    this.#context = context;
    this.#heardMs = context.clock.now();
    this.#voice = new VoiceInput(opening.group, context, (active) => {
      opening.host.voice(this, active);
    });
  }

  get listens(): boolean {
    return this.#remote !== undefined && receives(this.#remote.direction);
  }

  async negotiate(description: Description): Promise<LegAnswer> {
    switch (description.type) {
      case "offer": {
        const sdp = readPhoneSdp(description.sdp, this.#context.advertised);
        const writer = await this.#open();
        this.#connect(sdp.audio);
        return { description: { type: "answer", sdp: writer.answer(sdp) } };
      }
      case "none":
        return { description: { type: "offer", sdp: (await this.#open()).offer() } };
      case "answer":
        this.#connect(readPhoneSdp(description.sdp, this.#context.advertised).audio);
        return {};
      case "rtp":
        throw new CrossbandError(ErrorCode.SdpInvalid, "a phone describes itself by SDP");
    }
  }

  setHeard(heard: boolean): void {
    this.#voice.setHeard(heard);
  }

  pull(): Frame | undefined {
    return this.#voice.pull();
  }

  send(mix: MixFrame): void {
    const [remote, to] = [this.#remote, this.#latch];
    if (!remote || !to || !this.#socket) return;
    const { payloadType, codec } = remote.preferred;
    this.#socket.sendRtp(
      this.#stream.write({ payloadType, payload: mix.payload(codec), atMs: mix.atMs }),
      to,
    );
    this.#sentMs = mix.atMs;
    this.#context.count("packets_out");
  }

  endBurst(): void {
    this.#stream.endBurst();
  }

  setFloor(): void {
    // A phone is told by tones.
  }

  everySecond(nowMs: number): void {
    this.#voice.everySecond(nowMs);
    if (!this.#socket || !this.#remote) return;
    if (nowMs - this.#reportMs >= REPORT_MS) this.#report(nowMs);
    if (this.listens && nowMs - this.#sentMs >= KEEPALIVE_MS) {
      this.send(new MixOutput(false).frame(SILENCE, nowMs));
      this.endBurst();
    }
    // A phone on hold owes us nothing.
    if (!sends(this.#remote.direction)) this.#heardMs = nowMs;
    if (nowMs - this.#heardMs >= this.#context.silentLegMs) this.#opening.host.ended(this, "silent");
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#remote && this.#reportMs > 0)
      this.#socket?.sendRtcp(writeBye(this.#stream.ssrc), this.#remote.rtcp);
    this.#socket?.close();
  }

  async #open(): Promise<SdpWriter> {
    this.#socket ??= await RtpSocket.open(this.#context.ports, this.#context.host, {
      rtp: (datagram, from) => {
        this.#receive(datagram, from);
      },
      rtcp: (datagram) => {
        this.#receiveReport(datagram);
      },
    });
    if (this.#closed) {
      this.#socket.close();
      throw new CrossbandError(ErrorCode.WorkerUnavailable, "the leg was closed while it opened");
    }
    return (this.#writer ??= new SdpWriter(this.#context.advertised, this.#socket.port));
  }

  #connect(audio: PhoneAudio): void {
    const before = this.#remote;
    this.#remote = audio;
    // On hold with c=0.0.0.0 there is nowhere to send; the address that worked is kept.
    const moved = before?.address !== audio.address || before.port !== audio.port;
    if (moved && audio.direction !== "inactive") this.#latch = { address: audio.address, port: audio.port };
  }

  #receive(datagram: Buffer, from: RemoteInfo): void {
    const context = this.#context;
    const nowMs = context.clock.now();
    const packet = readRtp(datagram);
    if (packet === "rtcp") {
      this.#receiveReport(datagram);
      return;
    }
    if (typeof packet === "string") {
      context.count("packets_dropped", packet);
      return;
    }
    if (!this.#remote || !this.#latch) {
      context.count("packets_dropped", "early");
      return;
    }
    const latch = latchTo(this.#latch, from, nowMs);
    if (!latch) {
      context.count("packets_dropped", "source");
      return;
    }
    this.#latch = latch;
    this.#heardMs = nowMs;
    context.count("packets_in");
    this.#reception.note(
      packet.ssrc,
      packet.sequence,
      packet.timestamp,
      Math.round((nowMs * CLOCK_RATE) / 1_000) | 0,
    );
    this.#accept(packet, this.#remote, nowMs);
  }

  #accept(packet: RtpPacket, remote: PhoneAudio, nowMs: number): void {
    if (packet.payloadType === remote.eventType) {
      const step = receiveEvent(this.#events, packet.ssrc, packet.timestamp, packet.payload);
      this.#events = step.state;
      if (step.malformed === true) this.#context.count("packets_dropped", "event");
      if (step.digit !== undefined) this.#opening.host.digit(this, step.digit);
      return;
    }
    const codec = remote.codecs.get(packet.payloadType);
    if (codec === undefined || !sends(remote.direction)) {
      this.#context.count("packets_dropped", codec === undefined ? "payload-type" : "held");
      return;
    }
    if (!this.#voice.wanted) return;
    const pcm = new Int16Array(packet.payload.length);
    decodeG711(codec === "pcmu" ? pcmu : pcma, packet.payload, pcm);
    this.#voice.put(packet.ssrc, packet.timestamp, pcm, nowMs);
  }

  #receiveReport(datagram: Buffer): void {
    if (readRtcpTypes(datagram)) this.#heardMs = this.#context.clock.now();
    else this.#context.count("packets_dropped", "rtcp");
  }

  #report(nowMs: number): void {
    if (!this.#remote || this.#remote.direction === "inactive") return;
    this.#reportMs = nowMs;
    const sender =
      this.#stream.packets === 0
        ? undefined
        : {
            nowMs,
            timestamp: this.#stream.timestampAt(nowMs),
            packets: this.#stream.packets,
            octets: this.#stream.octets,
          };
    const report = writeReport(
      this.#stream.ssrc,
      `crossband@${this.#context.advertised}`,
      sender,
      this.#reception.report(),
    );
    this.#socket?.sendRtcp(report, this.#remote.rtcp);
  }
}
