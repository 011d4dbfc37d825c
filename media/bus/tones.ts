import { BUS_RATE, FRAME_MS, FRAME_SAMPLES, type Frame } from "./frame.ts";

/** What a participant is told by ear. */
export type ToneName = "grant" | "busy" | "end";

interface Segment {
  readonly ms: number;
  /** Frequencies that sound together; none is a pause. */
  readonly hz: readonly number[];
}

/**
 * A short double chirp: talk. The telephone busy signal: another talks. Three falling beeps: your turn was ended.
 * Each is a whole number of frames.
 */
export const toneSegments: Readonly<Record<ToneName, readonly Segment[]>> = {
  grant: [
    { ms: 40, hz: [910] },
    { ms: 20, hz: [] },
    { ms: 60, hz: [1_230] },
  ],
  busy: [
    { ms: 200, hz: [480, 620] },
    { ms: 100, hz: [] },
    { ms: 200, hz: [480, 620] },
    { ms: 100, hz: [] },
    { ms: 200, hz: [480, 620] },
  ],
  end: [
    { ms: 100, hz: [910] },
    { ms: 40, hz: [] },
    { ms: 100, hz: [720] },
    { ms: 40, hz: [] },
    { ms: 120, hz: [540] },
  ],
};

/** Peak of one frequency, about -14 dB of full scale. */
const AMPLITUDE = 6_500;
/** Rise and fall of each segment, so that it does not click. */
const EDGE_SAMPLES = (5 * BUS_RATE) / 1_000;

const rendered = new Map<ToneName, readonly Frame[]>();

/** A tone as frames, made once. */
export function toneFrames(name: ToneName): readonly Frame[] {
  const known = rendered.get(name);
  if (known) return known;
  const pcm = toneSegments[name].flatMap(render);
  const frames: Frame[] = [];
  for (let at = 0; at < pcm.length; at += FRAME_SAMPLES)
    frames.push(Int16Array.from(pcm.slice(at, at + FRAME_SAMPLES)));
  rendered.set(name, frames);
  return frames;
}

export const toneMs = (name: ToneName): number => toneFrames(name).length * FRAME_MS;

function render({ ms, hz }: Segment): number[] {
  const count = (ms * BUS_RATE) / 1_000;
  return Array.from({ length: count }, (_, i) => {
    const edge = Math.min(1, (i + 1) / EDGE_SAMPLES, (count - i) / EDGE_SAMPLES);
    return Math.round(
      edge * hz.reduce((sum, f) => sum + AMPLITUDE * Math.sin((2 * Math.PI * f * i) / BUS_RATE), 0),
    );
  });
}
