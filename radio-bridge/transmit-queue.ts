/** A transmission waits for this many frames before its first one goes out, so that uneven arrival leaves no holes. */
const PRIMED = 2;
/** Beyond this many waiting frames quiet ones are dropped, one a beat, so that late audio does not stay late. */
const COMFORT = 5;
/** Beyond this many any frame is: 200 ms is what a stall of ours leaves behind, and speech is not cut for that. */
const HURRY = 10;
/** At this many the queue is thrown away: the far side would do the same. */
const FLUSH = 25;
/** Between words nothing is louder: 1 % of full scale. */
const QUIET = 328;

/** What is waiting to be put on the air: takes frames unevenly, gives one a beat. */
export class TransmitQueue {
  #frames: Int16Array[] = [];
  #primed = false;
  /** Frames thrown away. */
  dropped = 0;

  get length(): number {
    return this.#frames.length;
  }

  put(frame: Int16Array): void {
    if (this.#frames.length >= FLUSH) this.clear();
    this.#frames.push(frame);
  }

  /**
   * The frame of this beat; undefined when none is ready.
   *
   * @param ending no more will come: do not wait for any
   */
  take(ending = false): Int16Array | undefined {
    this.#primed ||= ending || this.#frames.length >= PRIMED;
    if (!this.#primed) return undefined;
    if (this.#frames.length > HURRY || (this.#frames.length > COMFORT && isQuiet(this.#frames[0]))) {
      this.#frames.shift();
      this.dropped++;
    }
    return this.#frames.shift();
  }

  clear(): void {
    this.dropped += this.#frames.length;
    this.#frames = [];
    this.#primed = false;
  }
}

const isQuiet = (frame: Int16Array | undefined): boolean =>
  frame?.every((sample) => Math.abs(sample) <= QUIET) ?? true;
