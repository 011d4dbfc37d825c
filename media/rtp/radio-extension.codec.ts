/**
 * The header extension between a radio bridge and the media tier: the fixed part of EUROCAE ED-137's, profile 0x0167, without
 * TLVs.
 *
 * ```
 *  0                   1
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
 * | PTT |S|   PTT-ID  |M|P|C| r |X|  16 zero bits
 * ```
 */
export const RADIO_PROFILE = 0x0167;
const OCTETS = 4;
const PTT_TYPE = 0xe000;
const PTT_NORMAL = 0x2000;
const SQUELCH_OPEN = 0x1000;
const PTT_MUTE = 0x0020;

export interface RadioFlags {
  /** Towards the radio: transmit. */
  readonly ptt: boolean;
  /** From the radio: its squelch is open. */
  readonly squelch: boolean;
  /** Towards the bridge: what it sends is not taken, another talks. */
  readonly muted: boolean;
}

export function writeRadioFlags({ ptt, squelch, muted }: RadioFlags): Buffer {
  const body = Buffer.alloc(OCTETS);
  body.writeUInt16BE((ptt ? PTT_NORMAL : 0) | (squelch ? SQUELCH_OPEN : 0) | (muted ? PTT_MUTE : 0), 0);
  return body;
}

/** Undefined for a body that is too short to hold the flags. */
export function readRadioFlags(body: Buffer): RadioFlags | undefined {
  if (body.length < 2) return undefined;
  const bits = body.readUInt16BE(0);
  return {
    ptt: (bits & PTT_TYPE) !== 0,
    squelch: (bits & SQUELCH_OPEN) !== 0,
    muted: (bits & PTT_MUTE) !== 0,
  };
}
