/**
 * RTP packets of Opus, RFC 3550 §5.1 and RFC 7587, as they cross between us and the media router. The router has checked what came
 * from the network; lengths are checked here all the same.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *   |                           timestamp                           |
 *   |                             SSRC                              |
 */
const HEADER_BYTES = 12;
const VERSION_2 = 0b1000_0000;
const PADDING = 0b0010_0000;
const EXTENSION = 0b0001_0000;
const MARKER = 0b1000_0000;
/** RFC 8285 §4.2: the one-byte form. */
const ONE_BYTE_FORM = 0xbede;

export interface OpusPacket {
  readonly ssrc: number;
  readonly timestamp: number;
  readonly payload: Uint8Array;
  /** RFC 6464: 0 is the loudest, 127 silence. */
  readonly quietness?: number;
}

export interface OpusHeader {
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly marker: boolean;
}

export function encodeOpusPacket(header: OpusHeader, payload: Uint8Array): Buffer {
  const packet = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  packet[0] = VERSION_2;
  packet[1] = header.payloadType | (header.marker ? MARKER : 0);
  packet.writeUInt16BE(header.sequence & 0xff_ff, 2);
  packet.writeUInt32BE(header.timestamp >>> 0, 4);
  packet.writeUInt32BE(header.ssrc >>> 0, 8);
  packet.set(payload, HEADER_BYTES);
  return packet;
}

/** @returns undefined for what is not a whole RTP packet */
export function decodeOpusPacket(packet: Buffer, levelExtension: number): OpusPacket | undefined {
  const first = packet[0] ?? 0;
  if (packet.length < HEADER_BYTES || first >> 6 !== 2) return undefined;
  const extensionAt = HEADER_BYTES + 4 * (first & 0x0f);
  const extension = (first & EXTENSION) === 0 ? undefined : extensionOf(packet, extensionAt);
  if (extension === undefined && (first & EXTENSION) !== 0) return undefined;
  const from = extension?.end ?? extensionAt;
  const to = packet.length - ((first & PADDING) === 0 ? 0 : (packet.at(-1) ?? 0));
  if (to < from) return undefined;
  const level = extension === undefined ? undefined : elementOf(extension.body, levelExtension)?.[0];
  return {
    ssrc: packet.readUInt32BE(8),
    timestamp: packet.readUInt32BE(4),
    payload: packet.subarray(from, to),
    ...(level !== undefined && { quietness: level & 0x7f }),
  };
}

function extensionOf(packet: Buffer, at: number): { body: Buffer; end: number } | undefined {
  if (packet.length < at + 4) return undefined;
  const end = at + 4 + 4 * packet.readUInt16BE(at + 2);
  if (packet.length < end) return undefined;
  const body = packet.readUInt16BE(at) === ONE_BYTE_FORM ? packet.subarray(at + 4, end) : packet.subarray(end, end);
  return { body, end };
}

/** RFC 8285 §4.2: elements of id and length nibbles; 0 is a padding octet, 15 ends the list. */
function elementOf(body: Buffer, wanted: number): Buffer | undefined {
  for (let at = 0; at < body.length; ) {
    const head = body[at] ?? 0;
    if (head === 0) {
      at += 1;
      continue;
    }
    const [id, length] = [head >> 4, (head & 0x0f) + 1];
    if (id === 15 || at + 1 + length > body.length) return undefined;
    if (id === wanted) return body.subarray(at + 1, at + 1 + length);
    at += 1 + length;
  }
  return undefined;
}
