import type { RemoteInfo } from "node:dgram";
import { isIP } from "node:net";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Description, LegAnswer, Member } from "#common/media-control.ts";
import type { Frame } from "#media/bus/frame.ts";
import type { FloorStanding, LegOpening, MediaLeg, MixFrame } from "#media/group/leg.ts";
import type { RtpContext } from "./leg-context.ts";
import { RADIO_PROFILE, readRadioFlags, writeRadioFlags } from "./radio-extension.codec.ts";
import { readRtp, type RtpPacket } from "./read-rtp.ts";
import { RtpSocket } from "./rtp-socket.ts";
import { VoiceInput } from "./voice-input.ts";
import { RtpStream } from "./write-rtp.ts";

/** L16/8000 mono. */
const PAYLOAD_TYPE = 96;
const CLOCK_RATE = 8_000;
/** A bridge that sends nothing for this long is gone, in ms; it says something each second. */
const SILENT_MS = 5_000;
/** Open squelch without packets for this long counts as closed, in ms: the closing packet got lost. */
const SQUELCH_LOST_MS = 500;
/** How often the end of a transmission is said, so that no lost packet leaves a transmitter keyed. */
const PTT_OFF_REPEATS = 3;
/** Listening everywhere is no address to tell anyone. */
const WILDCARDS = new Set(["0.0.0.0", "::"]);
const EMPTY = new Uint8Array();

/** A radio channel: its bridge sends what the radio hears, and transmits what the group says. */
export class RadioLeg implements MediaLeg {
  readonly id: string;
  readonly member: Member;
  readonly camera = false;
  readonly #context: RtpContext;
  readonly #opening: LegOpening;
  readonly #stream = new RtpStream(CLOCK_RATE);
  readonly #voice: VoiceInput;
  #socket: RtpSocket | undefined;
  #remote: { readonly address: string; readonly port: number } | undefined;
  #squelch = false;
  #sequence: number | undefined;
  #muted = false;
  #keyed = false;
  #heardMs: number;
  #closed = false;

  constructor(opening: LegOpening, context: RtpContext) {
    this.id = opening.id;
    this.member = opening.member;
    this.#opening = opening;
    this.#context = context;
    this.#heardMs = context.clock.now();
    // Squelch says when a radio speaks: its level is not looked at.
    this.#voice = new VoiceInput({ mode: "half-duplex", phonePtt: "dtmf" }, context, () => undefined);
  }

  get listens(): boolean {
    return this.#remote !== undefined;
  }

  async negotiate(description: Description): Promise<LegAnswer> {
    if (description.type !== "rtp")
      throw new CrossbandError(ErrorCode.SdpInvalid, "a radio describes itself by its RTP address");
    const { host: address, port } = description;
    if (isIP(address) === 0 || port < 1 || port > 65_535)
      throw new CrossbandError(
        ErrorCode.SdpInvalid,
        "a radio's RTP address must be an IP address and a port",
        { address, port },
      );
    this.#socket ??= await RtpSocket.open(this.#context.ports, this.#context.host, {
      rtp: (datagram, from) => {
        this.#receive(datagram, from);
      },
      rtcp: () => undefined,
    });
    if (this.#closed) {
      this.#socket.close();
      throw new CrossbandError(ErrorCode.WorkerUnavailable, "the leg was closed while it opened");
    }
    this.#remote = { address, port };
    // Another bridge process may have taken over, with numbers of its own.
    this.#sequence = undefined;
    const host = WILDCARDS.has(this.#context.host) ? this.#context.advertised : this.#context.host;
    return { description: { type: "rtp", host, port: this.#socket.port } };
  }

  setHeard(heard: boolean): void {
    this.#voice.setHeard(heard);
  }

  pull(): Frame | undefined {
    return this.#voice.pull();
  }

  send(mix: MixFrame): void {
    this.#keyed = true;
    this.#transmit(mix.payload("l16"), mix.atMs);
  }

  endBurst(): void {
    this.#keyed = false;
    this.#stream.endBurst();
    for (let i = 0; i < PTT_OFF_REPEATS; i++) this.#tell();
  }

  setFloor(standing: FloorStanding): void {
    const muted = standing === "refused";
    if (muted === this.#muted) return;
    this.#muted = muted;
    this.#tell();
  }

  everySecond(nowMs: number): void {
    if (this.#squelch && nowMs - this.#heardMs > SQUELCH_LOST_MS) this.#setSquelch(false);
    if (!this.#keyed) this.#tell();
    if (nowMs - this.#heardMs >= SILENT_MS) this.#opening.host.ended(this, "silent");
  }

  close(): void {
    if (this.#closed) return;
    if (this.#keyed) this.endBurst();
    this.#closed = true;
    this.#socket?.close();
  }

  /** Flags without audio: a change, or a sign of life. */
  #tell(): void {
    this.#transmit(EMPTY, this.#context.clock.now());
  }

  #transmit(payload: Uint8Array, atMs: number): void {
    if (!this.#remote || !this.#socket) return;
    const extension = {
      profile: RADIO_PROFILE,
      body: writeRadioFlags({ ptt: this.#keyed, squelch: false, muted: this.#muted }),
    };
    this.#socket.sendRtp(
      this.#stream.write({ payloadType: PAYLOAD_TYPE, payload, atMs, extension }),
      this.#remote,
    );
    this.#context.count("packets_out");
  }

  #receive(datagram: Buffer, from: RemoteInfo): void {
    const packet = readRtp(datagram);
    if (typeof packet === "string") {
      this.#context.count("packets_dropped", packet);
      return;
    }
    if (from.address !== this.#remote?.address || from.port !== this.#remote.port) {
      this.#context.count("packets_dropped", "source");
      return;
    }
    const flags =
      packet.extension?.profile === RADIO_PROFILE ? readRadioFlags(packet.extension.body) : undefined;
    if (packet.payloadType !== PAYLOAD_TYPE || !flags || packet.payload.length % 2 !== 0) {
      this.#context.count("packets_dropped", "radio");
      return;
    }
    this.#heardMs = this.#context.clock.now();
    this.#context.count("packets_in");
    if (this.#isNewest(packet)) this.#setSquelch(flags.squelch);
    if (flags.squelch && packet.payload.length > 0 && this.#voice.wanted)
      this.#voice.put(packet.ssrc, packet.timestamp, hostOrder(packet.payload), this.#heardMs);
  }

  /** A packet that was overtaken must not open a squelch that has closed since. */
  #isNewest({ sequence }: RtpPacket): boolean {
    const step = this.#sequence === undefined ? 1 : ((sequence - this.#sequence) << 16) >> 16;
    if (step <= 0 && step > -100) return false;
    this.#sequence = sequence;
    return true;
  }

  #setSquelch(open: boolean): void {
    if (open === this.#squelch) return;
    this.#squelch = open;
    this.#opening.host.voice(this, open);
  }
}

/** L16 is big-endian (RFC 3551 §4.5.11). */
function hostOrder(payload: Buffer): Int16Array {
  return Int16Array.from({ length: payload.length / 2 }, (_, i) => payload.readInt16BE(2 * i));
}
