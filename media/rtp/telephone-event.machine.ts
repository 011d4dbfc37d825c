/**
 * RFC 4733 §2.3, one event a packet:
 *
 * |     event     |E|R| volume    |          duration             |
 */
const DIGITS = "0123456789*#ABCD";
const EVENT_OCTETS = 4;
const END = 0x80;
/** Events told lately, by timestamp: a late retransmission of the one before is not a new press. */
const REMEMBERED = 8;

/** Timestamps of the events already told, newest last. */
export type TelephoneEvents = readonly number[];

export interface TelephoneEventStep {
  readonly state: TelephoneEvents;
  /** A key, told once for each press. */
  readonly digit?: string;
  /** True for a packet that holds no event. */
  readonly malformed?: boolean;
}

/**
 * Takes one telephone-event packet. A press is told by whichever packet of it comes first, even the last one (§2.5.1.2:
 * packets of one event share its timestamp), so neither the marker nor any single packet is needed.
 */
export function receiveEvent(
  state: TelephoneEvents,
  ssrc: number,
  timestamp: number,
  payload: Uint8Array,
): TelephoneEventStep {
  if (payload.length < EVENT_OCTETS) return { state, malformed: true };
  const id = ssrc * 0x1_0000_0000 + timestamp;
  if (state.includes(id)) return { state };
  const digit = DIGITS[payload[0] ?? 255];
  // Flash and tones (events 16 and up) are no keys.
  if (digit === undefined) return { state };
  return { state: [...state, id].slice(-REMEMBERED), digit };
}

/** A packet's event as octets, for whoever sends one. @param duration in timestamp units */
export function eventPayload(digit: string, end: boolean, duration: number, volume = 10): Uint8Array {
  const event = DIGITS.indexOf(digit);
  return Uint8Array.of(
    event < 0 ? 255 : event,
    (end ? END : 0) | volume,
    (duration >> 8) & 0xff,
    duration & 0xff,
  );
}
