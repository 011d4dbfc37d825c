import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { isSilent, loudestDb } from "./measures.ts";
import { RATE } from "./sources.ts";

/** What a peer received, with the time each frame came. */
export class Recording {
  readonly #frames: { arrivedMs: number; ssrc: number; timestamp: number; samples: Int16Array }[] = [];
  readonly #waiters = new Set<() => void>();

  /** @param timestamp RTP timestamp in samples; gaps in it are heard as silence */
  push(samples: Int16Array, timestamp: number, ssrc = 0, arrivedMs = Date.now()): void {
    if (this.#frames.length >= MAX_FRAMES) this.#frames.splice(0, MAX_FRAMES / 10);
    this.#frames.push({ arrivedMs, ssrc, timestamp, samples });
    for (const wake of this.#waiters) wake();
  }

  /** Frames received so far. */
  get frames(): number {
    return this.#frames.length;
  }

  /** When the newest frame came, ms since the epoch; 0 before any. */
  get lastAt(): number {
    return this.#frames.at(-1)?.arrivedMs ?? 0;
  }

  /** Audio that arrived at or after `fromMs` and before `untilMs`, in order, gaps in its time line as silence. */
  between(fromMs: number, untilMs: number): Int16Array {
    const frames = this.#frames.filter(({ arrivedMs }) => arrivedMs >= fromMs && arrivedMs < untilMs);
    return joined(frames);
  }

  since(fromMs: number): Int16Array {
    return this.between(fromMs, Infinity);
  }

  /** Arrival times of frames, for pacing and delay. */
  arrivals(fromMs = 0): number[] {
    return this.#frames.filter(({ arrivedMs }) => arrivedMs >= fromMs).map(({ arrivedMs }) => arrivedMs);
  }

  /**
   * Waits until what arrived since `fromMs` satisfies a test, and returns it.
   *
   * @throws Error naming `what` when it does not within `deadlineMs`
   */
  async until(
    test: (heard: Int16Array) => boolean,
    { what, fromMs = 0, deadlineMs = 5_000 }: { what: string; fromMs?: number; deadlineMs?: number },
  ): Promise<Int16Array> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        this.#waiters.delete(check);
        clearTimeout(timer);
        clearTimeout(rested);
        settle();
      };
      // A costly test must not keep the peer from receiving: it rests four times as long as it took.
      let notBefore = 0;
      let rested: NodeJS.Timeout | undefined;
      const check = () => {
        const began = performance.now();
        if (began < notBefore) {
          rested ??= setTimeout(check, notBefore - began + 1);
          return;
        }
        clearTimeout(rested);
        rested = undefined;
        const heard = this.since(fromMs);
        if (test(heard))
          finish(() => {
            resolve(heard);
          });
        notBefore = performance.now() + 4 * (performance.now() - began);
      };
      const timer = setTimeout(() => {
        const ms = this.since(fromMs).length / 8;
        finish(() => {
          reject(new Error(`did not hear ${what} within ${deadlineMs} ms; ${ms} ms of audio arrived`));
        });
      }, deadlineMs);
      this.#waiters.add(check);
      check();
    });
  }

  /** Waits for `ms` of audio since `fromMs`. */
  async atLeast(ms: number, fromMs = 0, deadlineMs = ms + 5_000): Promise<Int16Array> {
    return this.until((heard) => heard.length >= ms * 8, { what: `${ms} ms of audio`, fromMs, deadlineMs });
  }

  /**
   * Resolves once nothing loud has come for `forMs`: what was said is over and has arrived, however long it was on its way.
   *
   * @param flowing once it has heard something, the peer is played silence too: nothing at all means that it stalls
   * @throws Error when it is not quiet within `deadlineMs`
   */
  async quiet({ forMs = 300, deadlineMs = 5_000, flowing = false } = {}): Promise<void> {
    const startMs = Date.now();
    for (;;) {
      const nowMs = Date.now();
      // What came while this process stood still is read first.
      await turn();
      const lately = this.since(Math.max(startMs, nowMs - forMs));
      const came = !flowing || this.frames === 0 || lately.length > (forMs * RATE) / 2_000;
      if (nowMs - startMs >= forMs && came && isSilent(lately, RATE)) return;
      if (nowMs - startMs > deadlineMs)
        throw new Error(
          came
            ? `is not quiet after ${deadlineMs} ms: ${loudestDb(lately, RATE).toFixed(0)} dB`
            : "is played nothing, not even silence",
        );
      await sleep(POLL_MS);
    }
  }
}

const POLL_MS = 20;
/** Twenty minutes of 20 ms frames; then the oldest tenth goes. */
const MAX_FRAMES = 60_000;
/** A jump of the time line beyond this is a new stream, not silence, in samples. */
const MAX_GAP = 80_000;

function joined(frames: readonly { ssrc: number; timestamp: number; samples: Int16Array }[]): Int16Array {
  const placed: { at: number; samples: Int16Array }[] = [];
  let [end, origin, ssrc] = [0, 0, NaN];
  for (const frame of frames) {
    let at = origin + ((frame.timestamp - origin) | 0);
    if (frame.ssrc !== ssrc || at - end > MAX_GAP || at < end - MAX_GAP) {
      // Place a new stream right behind the last one by moving everything onto one axis.
      shiftAll(placed, frame.timestamp - end);
      end = frame.timestamp;
      at = frame.timestamp;
      ssrc = frame.ssrc;
    }
    origin = at;
    placed.push({ at, samples: frame.samples });
    end = Math.max(end, at + frame.samples.length);
  }
  const start = placed.reduce((least, { at }) => Math.min(least, at), Infinity);
  const out = new Int16Array(placed.length === 0 ? 0 : end - start);
  for (const { at, samples } of placed) out.set(samples, at - start);
  return out;
}

function shiftAll(placed: { at: number }[], by: number): void {
  for (const frame of placed) frame.at += by;
}
