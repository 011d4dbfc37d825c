import { FRAME_SAMPLES, type KeyInfo } from "../radio-port.ts";

/**
 * USRP, as chan_usrp of AllStarLink and DVSwitch speak it. One datagram is a header and perhaps a payload; all fields are
 * big-endian but `type` and the samples:
 *
 *     0       4        8        12      16          20       24      28         32
 *     | USRP  | seq    | memory | keyup | talkgroup | type   | mpxid | reserved | payload
 *                                                   little-endian               S16LE x 160
 *
 * A voice frame with sequence 5: 55535250 00000005 00000000 00000001 00000000 00000000 00000000 00000000 + 320 octets
 */
export const HEADER_BYTES = 32;
export const AUDIO_BYTES = FRAME_SAMPLES * 2;
const MAGIC = 0x55535250;
const OFFSET = { magic: 0, sequence: 4, keyup: 12, type: 20 } as const;
const TYPE = { voice: 0, dtmf: 1, text: 2, ping: 3 } as const;
/** The longest datagram that can be one of ours: texts are short. */
const MAX_BYTES = 1_500;

export type UsrpDatagram =
  | { readonly kind: "voice"; readonly sequence: number; readonly samples: Int16Array }
  /** keyup 0: a header alone from chan_usrp; with 320 octets of audio, which are no voice, from DVSwitch. */
  | { readonly kind: "unkey"; readonly sequence: number }
  | { readonly kind: "info"; readonly sequence: number; readonly info: KeyInfo }
  /** Well formed and of no use here: DTMF, ping, other vocoders. */
  | { readonly kind: "other"; readonly sequence: number; readonly type: number }
  | { readonly kind: "malformed"; readonly reason: "short" | "long" | "magic" | "audio-length" };

/** Reads one datagram; never throws. */
export function decodeUsrp(datagram: Uint8Array): UsrpDatagram {
  if (datagram.byteLength < HEADER_BYTES) return { kind: "malformed", reason: "short" };
  if (datagram.byteLength > MAX_BYTES) return { kind: "malformed", reason: "long" };
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  if (view.getUint32(OFFSET.magic) !== MAGIC) return { kind: "malformed", reason: "magic" };
  const sequence = view.getUint32(OFFSET.sequence);
  const type = typeOf(view);
  if (type === TYPE.text)
    return { kind: "info", sequence, info: readSetInfo(datagram.subarray(HEADER_BYTES)) };
  if (type !== TYPE.voice) return { kind: "other", sequence, type };
  const audioBytes = datagram.byteLength - HEADER_BYTES;
  if (audioBytes !== 0 && audioBytes !== AUDIO_BYTES) return { kind: "malformed", reason: "audio-length" };
  // A header alone says nothing but "unkeyed", whatever its keyup field holds: chan_usrp keys on audio only.
  if (view.getUint32(OFFSET.keyup) === 0 || audioBytes === 0) return { kind: "unkey", sequence };
  const samples = new Int16Array(FRAME_SAMPLES);
  for (let i = 0; i < FRAME_SAMPLES; i++) samples[i] = view.getInt16(HEADER_BYTES + i * 2, true);
  return { kind: "voice", sequence, samples };
}

/** A frame of voice to put on the air. */
export function encodeVoice(sequence: number, samples: Int16Array): Uint8Array {
  const datagram = new Uint8Array(HEADER_BYTES + AUDIO_BYTES);
  const view = writeHeader(datagram, sequence, true);
  for (let i = 0; i < FRAME_SAMPLES; i++) view.setInt16(HEADER_BYTES + i * 2, samples[i] ?? 0, true);
  return datagram;
}

/** The end of a transmission: a header alone, because a frame with audio would key an AllStar node for 80 ms more. */
export function encodeUnkey(sequence: number): Uint8Array {
  const datagram = new Uint8Array(HEADER_BYTES);
  writeHeader(datagram, sequence, false);
  return datagram;
}

function writeHeader(datagram: Uint8Array, sequence: number, keyed: boolean): DataView {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  view.setUint32(OFFSET.magic, MAGIC);
  view.setUint32(OFFSET.sequence, sequence >>> 0);
  view.setUint32(OFFSET.keyup, keyed ? 1 : 0);
  return view;
}

/** Host order of whoever sent it: little-endian in practice, big-endian from a few. */
function typeOf(view: DataView): number {
  const little = view.getUint32(OFFSET.type, true);
  return little > 255 ? view.getUint32(OFFSET.type) : little;
}

const SET_INFO = 8;
/** tag, length, DMR id 3, repeater 4, talk group 3, slot, colour code: then the call sign. */
const CALL_SIGN_OFFSET = 14;
const MAX_CALL_SIGN = 64;

/** The call sign of a SET_INFO text, where there is one. */
function readSetInfo(payload: Uint8Array): KeyInfo {
  if (payload[0] !== SET_INFO) return {};
  const end = Math.min(payload.byteLength, CALL_SIGN_OFFSET + MAX_CALL_SIGN);
  let talker = "";
  for (let i = CALL_SIGN_OFFSET; i < end && payload[i] !== 0; i++)
    talker += String.fromCharCode(payload[i] ?? 0);
  return /^[\x20-\x7e]+$/.test(talker) ? { talker } : {};
}
