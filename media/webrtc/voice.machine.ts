/**
 * Whether a browser's microphone carries speech, told from the level that the browser writes into each packet (RFC 6464), so that
 * silence is never decoded.
 */

/** Louder than -50 dBov is speech: a quiet room with the browser's noise suppression stays below -60. */
const SPEECH_QUIETNESS = 50;
/** Pauses between words are shorter. */
export const HANG_MS = 500;
/** Without a level: Opus spends three octets on 20 ms of silence and well above this on speech. */
const SPEECH_BYTES = 12;

export interface State {
  readonly active: boolean;
  readonly loudMs: number;
}

export type Event =
  | {
      readonly type: "packet";
      readonly nowMs: number;
      readonly bytes: number;
      readonly quietness: number | undefined;
    }
  /** From time to time, for a microphone that stopped sending. */
  | { readonly type: "tick"; readonly nowMs: number };

export const quiet: State = { active: false, loudMs: -Infinity };

/** @returns the same state when nothing changed that another would notice */
export function step(state: State, event: Event): State {
  if (event.type === "packet" && isSpeech(event)) return { active: true, loudMs: event.nowMs };
  if (state.active && event.nowMs - state.loudMs >= HANG_MS) return quiet;
  return state;
}

const isSpeech = ({ quietness, bytes }: Extract<Event, { type: "packet" }>): boolean =>
  quietness === undefined ? bytes > SPEECH_BYTES : quietness < SPEECH_QUIETNESS;
