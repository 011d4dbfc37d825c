import type { GroupPolicy } from "#common/media-control.ts";
import type { Frame } from "#media/bus/frame.ts";
import { Upsampler } from "#media/bus/half-band.ts";
import { JitterBuffer } from "#media/bus/jitter-buffer.ts";
import { levelDbfs } from "#media/bus/measure.ts";
import {
  ACTIVITY,
  hearLevel,
  hearNothing,
  quietLine,
  VOX,
  type VoiceDetector,
  type VoiceTiming,
} from "#media/bus/voice-detector.machine.ts";
import type { RtpContext } from "./leg-context.ts";

const RATE = 8_000;
const FRAME_SAMPLES = RATE / 50;
/** Packets kept from before the voice was noticed: the first sound of a word is quiet. */
const PREROLL = 2;
/** No packet for this long counts as quiet, in ms. */
const PACKET_GAP_MS = 60;

interface Sound {
  readonly ssrc: number;
  readonly timestamp: number;
  readonly pcm: Int16Array;
}

/** The audio that comes from one telephone or radio: voice detection, jitter buffer, and up to the bus rate. */
export class VoiceInput {
  readonly #timing: VoiceTiming | undefined;
  readonly #context: RtpContext;
  readonly #onVoice: (active: boolean) => void;
  readonly #buffer = new JitterBuffer({ rate: RATE, clockRate: RATE });
  #up = new Upsampler(FRAME_SAMPLES);
  #detector: VoiceDetector = quietLine;
  #recent: Sound[] = [];
  #heard = false;
  #packetAtMs = 0;
  #counted = { concealed: 0, late: 0, duplicate: 0 };

  /** @param onVoice is called when the voice begins and ends, in groups where that matters */
  constructor(
    { mode, phonePtt }: Pick<GroupPolicy, "mode" | "phonePtt">,
    context: RtpContext,
    onVoice: (active: boolean) => void,
  ) {
    this.#timing = mode === "full-duplex" ? ACTIVITY : phonePtt === "vox" ? VOX : undefined;
    this.#context = context;
    this.#onVoice = onVoice;
  }

  /** False while nobody would do anything with a packet: do not even decode it. */
  get wanted(): boolean {
    return this.#heard || this.#timing !== undefined;
  }

  put(ssrc: number, timestamp: number, pcm: Int16Array, nowMs: number): void {
    this.#packetAtMs = nowMs;
    const before = this.#heard;
    if (this.#timing) this.#detect(hearLevel(this.#detector, levelDbfs(pcm), pcm.length / 8, this.#timing));
    if (!this.#heard) {
      if (this.#timing) this.#recent = [...this.#recent, { ssrc, timestamp, pcm }].slice(-PREROLL);
      return;
    }
    if (!before)
      for (const sound of this.#recent) this.#buffer.put(sound.ssrc, sound.timestamp, sound.pcm, nowMs);
    this.#recent = [];
    this.#buffer.put(ssrc, timestamp, pcm, nowMs);
  }

  setHeard(heard: boolean): void {
    if (heard && !this.#heard) {
      this.#buffer.reset();
      this.#up = new Upsampler(FRAME_SAMPLES);
    }
    if (!heard) this.#recent = [];
    if (!heard && this.#heard) this.#context.jitter(this.#buffer.jitterMs);
    this.#heard = heard;
  }

  pull(): Frame | undefined {
    const nowMs = this.#context.clock.now();
    this.#noticeGap(nowMs, 20);
    const pcm = this.#buffer.take(nowMs);
    this.#countStats();
    return pcm && this.#up.process(pcm);
  }

  /** A phone that stopped to send while it is not heard must end its wish to talk too. */
  everySecond(nowMs: number): void {
    if (!this.#heard) this.#noticeGap(nowMs, 1_000);
  }

  #noticeGap(nowMs: number, ms: number): void {
    if (this.#timing && this.#detector.active && nowMs - this.#packetAtMs > PACKET_GAP_MS)
      this.#detect(hearNothing(this.#detector, ms, this.#timing));
  }

  #detect(next: VoiceDetector): void {
    const before = this.#detector.active;
    this.#detector = next;
    if (next.active !== before) this.#onVoice(next.active);
  }

  #countStats(): void {
    for (const name of ["concealed", "late", "duplicate"] as const) {
      const value = this.#buffer.stats[name];
      for (let i = this.#counted[name]; i < value; i++) {
        if (name === "concealed") this.#context.count("frames_concealed");
        else this.#context.count("packets_dropped", name);
      }
      this.#counted[name] = value;
    }
  }
}
