import { Concealment } from "./concealment.ts";
import { FRAME_MS } from "./frame.ts";

export interface JitterFormat {
  /** Samples per second of the audio. */
  readonly rate: number;
  /** Ticks per second of its RTP timestamps. */
  readonly clockRate: number;
}

export interface JitterStats {
  /** Frames made up because nothing had come in time. */
  concealed: number;
  /** Packets that came after their time. */
  late: number;
  /** Packets that came twice. */
  duplicate: number;
  /** New beginnings: another SSRC, or a jump of the timestamp. */
  resyncs: number;
  /** Frames left out to bring a long delay down. */
  skipped: number;
}

export type Arrival = "taken" | "late" | "duplicate" | "resync";

/** Audio that the buffer can hold, in ms: a packet further ahead is a new beginning. */
const CAPACITY_MS = 1_000;
/** Least and most time a packet waits beyond its frame, in ms. A quiet network stays at the least. */
const MARGIN_MIN_MS = 8;
const MARGIN_MAX_MS = 100;
/** A pause longer than this ends the burst, in ms: silence suppression, a released key, a dead line. */
const PAUSE_MS = 200;
/** So many late packets in a row mean that the sender's clock was set back. */
const LATE_RUN = 5;
/** Packets over which the least slack is taken before the delay is brought down. */
const SLACK_WINDOW = 50;
/** Share of a new extreme that the jitter estimate takes at once, and of a calmer packet that it falls back by. */
const JITTER_RISE = 0.5;
const JITTER_FALL = 0.01;

/**
 * Turns packets that come when they like into a frame every 20 ms. Addressed by timestamp, so that order, packet length and
 * duplicates do not matter. It has no clock: `nowMs` comes with each call.
 *
 * - nothing to play, nothing ahead: conceals without moving on, so a late packet is still played and nothing is buffered anew
 * - a hole with audio behind it: conceals and moves on
 * - always more in hand than the network needs: two frames are blended into one
 */
export class JitterBuffer {
  readonly stats: JitterStats = { concealed: 0, late: 0, duplicate: 0, resyncs: 0, skipped: 0 };
  readonly #rate: number;
  readonly #ticksPerSample: number;
  readonly #frame: number;
  readonly #capacity: number;
  readonly #ring: Int16Array;
  readonly #present: Uint8Array;
  readonly #concealment: Concealment;
  #ssrc: number | undefined;
  #lastTicks = 0;
  #ticks = 0;
  /** Position after the newest sample. */
  #end = 0;
  /** Position of the next sample to play; undefined before a burst plays. */
  #play: number | undefined;
  /** First position of a burst that does not play yet, and when it may. */
  #waiting: { from: number; sinceMs: number } | undefined;
  /** Samples made up since the buffer ran dry. */
  #stretched = 0;
  #lateRun = 0;
  #lastTakeMs = 0;
  #fastestMs = Infinity;
  #jitterMs = 0;
  #packetMs = FRAME_MS;
  #slackMs = Infinity;
  #slackCount = 0;
  #shrink = false;

  constructor({ rate, clockRate }: JitterFormat) {
    this.#rate = rate;
    this.#ticksPerSample = clockRate / rate;
    this.#frame = (rate * FRAME_MS) / 1_000;
    this.#capacity = (rate * CAPACITY_MS) / 1_000;
    this.#ring = new Int16Array(this.#capacity);
    this.#present = new Uint8Array(this.#capacity);
    this.#concealment = new Concealment(rate, this.#frame);
  }

  /** How much arrivals vary, in ms. */
  get jitterMs(): number {
    return this.#jitterMs;
  }

  /** How long a packet waits before it plays, beyond its own length, in ms. */
  get marginMs(): number {
    const long = Math.max(0, this.#packetMs - FRAME_MS);
    return Math.min(MARGIN_MAX_MS, Math.max(MARGIN_MIN_MS, this.#jitterMs + 4) + long);
  }

  /** @param pcm the packet's samples, copied; at most CAPACITY_MS */
  put(ssrc: number, timestamp: number, pcm: Int16Array, nowMs: number): Arrival {
    if (pcm.length === 0 || pcm.length > this.#capacity / 2) {
      this.stats.late++;
      return "late";
    }
    const step = (timestamp - this.#lastTicks) | 0;
    const at = Math.round((this.#ticks + step) / this.#ticksPerSample);
    if (this.#ssrc !== ssrc || this.#jumps(at, pcm.length)) return this.#begin(ssrc, timestamp, pcm, nowMs);
    if (step > 0) {
      this.#ticks += step;
      this.#lastTicks = timestamp;
    }
    const floor = this.#play ?? this.#waiting?.from;
    if (this.#play !== undefined && at + pcm.length <= this.#play) {
      this.stats.late++;
      return ++this.#lateRun < LATE_RUN ? "late" : this.#begin(ssrc, timestamp, pcm, nowMs);
    }
    this.#lateRun = 0;
    if (floor === undefined) {
      // A new burst says nothing about the delay of the one before: some phones stop their clock in a pause.
      this.#fastestMs = Infinity;
      this.#waiting = { from: at, sinceMs: nowMs };
    }
    if (this.#waiting && at < this.#waiting.from) this.#waiting.from = at;
    this.#observe(at, pcm.length, nowMs);
    return this.#write(at, pcm);
  }

  /** The next FRAME_MS; undefined for silence. */
  take(nowMs: number): Int16Array | undefined {
    this.#lastTakeMs = nowMs;
    if (this.#play === undefined) {
      if (!this.#waiting || nowMs - this.#waiting.sinceMs < this.marginMs) return this.#bridge();
      this.#play = this.#waiting.from;
      this.#waiting = undefined;
    }
    const ahead = this.#next(this.#play);
    if (ahead === undefined || this.#end - this.#play < this.#frame) return this.#runDry();
    if (this.#stretched > 0) {
      // What was made up stands for what is missing; without a hole it has become delay.
      this.#play += Math.min(ahead - this.#play, this.#stretched);
      this.#stretched = 0;
    }
    if (ahead - this.#play > (PAUSE_MS * this.#rate) / 1_000) this.#play = ahead;
    if (ahead - this.#play >= this.#frame) {
      this.#play += this.#frame;
      return this.#bridge();
    }
    return this.#playFrame(this.#play);
  }

  /** Forgets everything; the next packet begins a burst. */
  reset(): void {
    this.#clear();
    this.#concealment.reset();
  }

  #playFrame(play: number): Int16Array {
    const frame = this.#read(play);
    this.#play = play + this.#frame;
    if (this.#shrink && this.#end - this.#play >= this.#frame) {
      const next = this.#read(this.#play);
      for (let i = 0; i < frame.length; i++) {
        const share = i / frame.length;
        frame[i] = Math.round((frame[i] ?? 0) * (1 - share) + (next[i] ?? 0) * share);
      }
      this.#play += this.#frame;
      this.#shrink = false;
      this.stats.skipped++;
    }
    this.#concealment.resume(frame);
    return frame;
  }

  /** Nothing to play yet or any more: repeat what was heard, without moving on. */
  #runDry(): Int16Array | undefined {
    this.#stretched += this.#frame;
    if (this.#stretched * 1_000 > PAUSE_MS * this.#rate) this.#clear();
    return this.#bridge();
  }

  #bridge(): Int16Array | undefined {
    if (this.#concealment.exhausted) return undefined;
    this.stats.concealed++;
    return this.#concealment.fill();
  }

  #jumps(at: number, length: number): boolean {
    const from = this.#play ?? this.#waiting?.from;
    return from !== undefined && (at + length > from + this.#capacity || at < from - this.#capacity);
  }

  #begin(ssrc: number, timestamp: number, pcm: Int16Array, nowMs: number): Arrival {
    const first = this.#ssrc === undefined;
    if (!first) this.stats.resyncs++;
    this.#clear();
    this.#ssrc = ssrc;
    this.#lastTicks = timestamp;
    this.#ticks = 0;
    this.#fastestMs = Infinity;
    this.#waiting = { from: 0, sinceMs: nowMs };
    this.#observe(0, pcm.length, nowMs);
    this.#write(0, pcm);
    return first ? "taken" : "resync";
  }

  #clear(): void {
    this.#present.fill(0);
    this.#play = undefined;
    this.#waiting = undefined;
    this.#stretched = 0;
    this.#lateRun = 0;
    this.#end = -Infinity;
    this.#slackMs = Infinity;
    this.#slackCount = 0;
    this.#shrink = false;
  }

  /** Learns from an arrival how long packets must wait. */
  #observe(at: number, length: number, nowMs: number): void {
    this.#packetMs = (length * 1_000) / this.#rate;
    const transitMs = nowMs - (at * 1_000) / this.#rate;
    // The fastest packet seen, forgotten slowly so that a sender with a slow clock is followed.
    this.#fastestMs = Math.min(transitMs, this.#fastestMs + 0.02);
    const delayMs = transitMs - this.#fastestMs;
    this.#jitterMs += (delayMs - this.#jitterMs) * (delayMs > this.#jitterMs ? JITTER_RISE : JITTER_FALL);
    if (this.#play === undefined) return;
    const slackMs = this.#lastTakeMs + FRAME_MS + ((at - this.#play) * 1_000) / this.#rate - nowMs;
    this.#slackMs = Math.min(this.#slackMs, slackMs);
    if (++this.#slackCount < SLACK_WINDOW) return;
    this.#shrink = this.#slackMs > this.marginMs + FRAME_MS;
    this.#slackMs = Infinity;
    this.#slackCount = 0;
  }

  #write(at: number, pcm: Int16Array): Arrival {
    const from = Math.max(at, this.#play ?? -Infinity);
    const skip = from - at;
    const slot = this.#slot(from);
    const count = pcm.length - skip;
    const head = Math.min(count, this.#capacity - slot);
    const known = this.#present[slot] === 1 && this.#present[this.#slot(at + pcm.length - 1)] === 1;
    this.#end = Math.max(this.#end, at + pcm.length);
    if (known) {
      this.stats.duplicate++;
      return "duplicate";
    }
    this.#ring.set(pcm.subarray(skip, skip + head), slot);
    this.#ring.set(pcm.subarray(skip + head), 0);
    this.#present.fill(1, slot, slot + head);
    this.#present.fill(1, 0, count - head);
    return "taken";
  }

  /** A frame from a position, taken out of the buffer; samples that never came are made up. */
  #read(from: number): Int16Array {
    const frame = new Int16Array(this.#frame);
    const slot = this.#slot(from);
    const head = Math.min(this.#frame, this.#capacity - slot);
    frame.set(this.#ring.subarray(slot, slot + head));
    frame.set(this.#ring.subarray(0, this.#frame - head), head);
    const missing =
      this.#present.subarray(slot, slot + head).includes(0) ||
      this.#present.subarray(0, this.#frame - head).includes(0);
    if (missing) {
      const made = this.#concealment.preview();
      for (let i = 0; i < frame.length; i++)
        if (this.#present[this.#slot(from + i)] !== 1) frame[i] = made[i] ?? 0;
    }
    this.#present.fill(0, slot, slot + head);
    this.#present.fill(0, 0, this.#frame - head);
    return frame;
  }

  /** Position of the first sample at or after `from` that is there. */
  #next(from: number): number | undefined {
    const slot = this.#slot(from);
    if (this.#present[slot] === 1) return from;
    const later = this.#present.indexOf(1, slot);
    if (later >= 0) return from + later - slot;
    const wrapped = this.#present.subarray(0, slot).indexOf(1);
    return wrapped < 0 ? undefined : from + this.#capacity - slot + wrapped;
  }

  #slot(position: number): number {
    return ((position % this.#capacity) + this.#capacity) % this.#capacity;
  }
}
