import { FRAME_SAMPLES } from "../radio-port.ts";

/**
 * RTP between a bridge and the media tier: L16/8000 mono, payload type 96, and on every packet the header extension of
 * EUROCAE ED-137 (profile 0x0167) without TLVs. A packet without payload carries its flags alone: a change, or a sign of life.
 *
 *      0                   1                   2                   3
 *      |2|0|1| CC=0  |M|  PT=96      |       sequence number         |
 *      |                           timestamp                         |
 *      |                             SSRC                            |
 *      |      profile = 0x0167         |        length = 1           |
 *      | PTT |S|  PTT-ID   |M|P|C| r |X|            0                |
 *      |        L16, big-endian (RFC 3551 §4.5.11) x 160             |
 */
const HEADER_BYTES = 20;
const EXTENSION_AT = 12;
const FLAGS_AT = 16;
const PAYLOAD_TYPE = 96;
const PROFILE = 0x0167;
const PTT_TYPE = 0xe000;
const SQUELCH_OPEN = 0x1000;
const PTT_MUTE = 0x0020;

export interface OutgoingPacket {
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  /** First packet of a transmission. */
  readonly marker: boolean;
  readonly squelchOpen: boolean;
  readonly samples?: Int16Array;
}

export interface IncomingPacket {
  readonly sequence: number;
  /** The group talks to the radio. */
  readonly transmit: boolean;
  /** What we send is not taken: another talks. */
  readonly muted: boolean;
  readonly samples?: Int16Array;
}

export function encodeRadioRtp({
  sequence,
  timestamp,
  ssrc,
  marker,
  squelchOpen,
  samples,
}: OutgoingPacket): Uint8Array {
  const packet = new Uint8Array(HEADER_BYTES + (samples ? FRAME_SAMPLES * 2 : 0));
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x90);
  view.setUint8(1, (marker ? 0x80 : 0) | PAYLOAD_TYPE);
  view.setUint16(2, sequence & 0xffff);
  view.setUint32(4, timestamp >>> 0);
  view.setUint32(8, ssrc >>> 0);
  view.setUint16(EXTENSION_AT, PROFILE);
  view.setUint16(EXTENSION_AT + 2, 1);
  view.setUint16(FLAGS_AT, squelchOpen ? SQUELCH_OPEN : 0);
  for (let i = 0; samples && i < FRAME_SAMPLES; i++) view.setInt16(HEADER_BYTES + 2 * i, samples[i] ?? 0);
  return packet;
}

/** Reads a packet of the media tier; undefined for anything else. Never throws. */
export function decodeRadioRtp(packet: Uint8Array): IncomingPacket | undefined {
  if (packet.byteLength < HEADER_BYTES) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  // Version 2, no padding, extension, no CSRC: what our own media tier writes.
  if (view.getUint8(0) !== 0x90 || (view.getUint8(1) & 0x7f) !== PAYLOAD_TYPE) return undefined;
  if (view.getUint16(EXTENSION_AT) !== PROFILE || view.getUint16(EXTENSION_AT + 2) !== 1) return undefined;
  const octets = packet.byteLength - HEADER_BYTES;
  if (octets !== 0 && octets !== FRAME_SAMPLES * 2) return undefined;
  const flags = view.getUint16(FLAGS_AT);
  const common = {
    sequence: view.getUint16(2),
    transmit: (flags & PTT_TYPE) !== 0,
    muted: (flags & PTT_MUTE) !== 0,
  };
  if (octets === 0) return common;
  const samples = new Int16Array(FRAME_SAMPLES);
  for (let i = 0; i < FRAME_SAMPLES; i++) samples[i] = view.getInt16(HEADER_BYTES + 2 * i);
  return { ...common, samples };
}
