import type { Cue } from "../model/talk.machine.ts";

export type Sound = Cue | "link-lost" | "link-back";

interface Beep {
  readonly hz: number;
  readonly ms: number;
  /** Silence after it. */
  readonly gapMs: number;
}

interface Recipe {
  readonly beeps: readonly Beep[];
  /** Against speech. */
  readonly db: number;
}

const beeps = (hz: number, ms: number, gapMs: number, count = 1): Beep[] =>
  Array.from({ length: count }, () => ({ hz, ms, gapMs }));

/** Cues resemble those that radio users know: a double chirp to talk, a low tone for refused. */
export const recipes: Readonly<Record<Sound, Recipe>> = {
  permit: { beeps: beeps(910, 30, 25, 2), db: -6 },
  queued: { beeps: beeps(620, 60, 0), db: -9 },
  // Held with the button; `hush` ends it before.
  busy: { beeps: beeps(310, 3_000, 0), db: -6 },
  cut: { beeps: [...beeps(620, 120, 20), ...beeps(310, 120, 0)], db: -3 },
  limit: { beeps: beeps(910, 40, 60, 3), db: -6 },
  "link-lost": { beeps: [...beeps(740, 80, 30), ...beeps(620, 80, 30), ...beeps(500, 80, 0)], db: -3 },
  "link-back": { beeps: [...beeps(500, 80, 30), ...beeps(620, 80, 30), ...beeps(740, 80, 0)], db: -3 },
};

/** Speech sits about here below full scale. */
const SPEECH_DB = -14;
const EDGE_S = 0.005;

/** Plays a cue; the returned function ends it early. Never into anything that is sent. */
export function playCue(context: BaseAudioContext, bus: AudioNode, sound: Sound): () => void {
  const { beeps: list, db } = recipes[sound];
  const peak = 10 ** ((SPEECH_DB + db) / 20);
  const oscillator = new OscillatorNode(context);
  const gain = new GainNode(context, { gain: 0 });
  oscillator.connect(gain).connect(bus);
  let at = context.currentTime + 0.005;
  oscillator.start(at);
  for (const { hz, ms, gapMs } of list) {
    const end = at + ms / 1_000;
    oscillator.frequency.setValueAtTime(hz, at);
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(peak, at + EDGE_S);
    gain.gain.setValueAtTime(peak, end - EDGE_S);
    gain.gain.linearRampToValueAtTime(0, end);
    at = end + gapMs / 1_000;
  }
  oscillator.stop(at);
  oscillator.onended = () => {
    gain.disconnect();
  };
  return () => {
    const now = context.currentTime;
    if (now >= at) return;
    gain.gain.cancelScheduledValues(now);
    gain.gain.setTargetAtTime(0, now, EDGE_S / 3);
    oscillator.stop(now + 4 * EDGE_S);
  };
}
