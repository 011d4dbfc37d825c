/** Voice by level: opens on the first loud packet, closes after a pause. */
export interface VoiceDetector {
  readonly active: boolean;
  /** Sum of the lengths of the quiet packets since the last loud one, in ms. */
  readonly quietMs: number;
  /** What the line sounds like when nobody speaks, dBFS. */
  readonly noiseDb: number;
}

export interface VoiceTiming {
  /** Louder than this opens, in dBFS. */
  readonly openDb: number;
  /** Quiet for this long closes, in ms. */
  readonly hangMs: number;
  /** What is louder than this is never taken for noise of the line, in dBFS. */
  readonly loudestNoiseDb: number;
}

/** Press-to-talk by voice: an ordinary voice opens it, breathing does not. */
export const VOX: VoiceTiming = { openDb: -38, hangMs: 300, loudestNoiseDb: -35 };
/** Who is worth mixing in a full-duplex group: all but the noise of the line. Music on hold is no noise, and a pause in a sentence no end. */
export const ACTIVITY: VoiceTiming = { openDb: -52, hangMs: 1_500, loudestNoiseDb: -55 };

/** Voice stands at least this far above the noise of its line, in dB. */
const ABOVE_NOISE_DB = 9;
/** The estimate of the noise rises by this for each second, and falls at once. */
const NOISE_RISE_DB_PER_S = 3;

export const quietLine: VoiceDetector = { active: false, quietMs: 0, noiseDb: -90 };

/** The detector after one packet of `ms` milliseconds at `levelDb`. */
export function hearLevel(
  detector: VoiceDetector,
  levelDb: number,
  ms: number,
  timing: VoiceTiming,
): VoiceDetector {
  const level = Math.max(levelDb, -90);
  const risen = Math.min(detector.noiseDb + (NOISE_RISE_DB_PER_S * ms) / 1_000, timing.loudestNoiseDb);
  const noiseDb = Math.min(level, risen);
  const loud = level > Math.max(timing.openDb, detector.noiseDb + ABOVE_NOISE_DB);
  if (loud) return { active: true, quietMs: 0, noiseDb };
  return hearNothing({ ...detector, noiseDb }, ms, timing);
}

/** The detector after `ms` without a packet: a phone that suppresses silence. */
export function hearNothing(detector: VoiceDetector, ms: number, timing: VoiceTiming): VoiceDetector {
  if (!detector.active) return detector;
  const quietMs = detector.quietMs + ms;
  return { ...detector, active: quietMs < timing.hangMs, quietMs };
}
