/**
 * HEP version 3 (the Homer Encapsulation Protocol's own layout, numbers in network order):
 *
 *   "HEP3" | total length u16 | chunks
 *   chunk: vendor u16 (0 is generic) | type u16 | length u16, these six bytes included | data
 */
export interface HepPacket {
  readonly family: 4 | 6;
  readonly protocol: "udp" | "tcp";
  /** Addresses as their 4 or 16 bytes. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Epoch µs. */
  readonly atUs: number;
  /** Which capture agent we are. */
  readonly agent: number;
  readonly key?: string;
  /** What belongs together: the call. */
  readonly correlation: string;
  /** A character is a byte. */
  readonly payload: string;
}

const CHUNK = {
  family: 0x01, protocol: 0x02, source4: 0x03, destination4: 0x04, source6: 0x05, destination6: 0x06, sourcePort: 0x07, destinationPort: 0x08,
  seconds: 0x09, microseconds: 0x0a, type: 0x0b, agent: 0x0c, key: 0x0e, payload: 0x0f, correlation: 0x11,
} as const; // prettier-ignore
const AF_INET = 2;
const AF_INET6 = 10;
const IP_PROTOCOL = { udp: 17, tcp: 6 } as const;
const TYPE_SIP = 1;
const HEADER_BYTES = 6;
/** A datagram holds no more. */
const MAX_BYTES = 65_507;

/** Writes a packet; undefined when its message is too long for a datagram. */
export function encodeHep(packet: HepPacket): Buffer | undefined {
  const six = packet.family === 6;
  const chunks = [
    chunk(CHUNK.family, u8(six ? AF_INET6 : AF_INET)),
    chunk(CHUNK.protocol, u8(IP_PROTOCOL[packet.protocol])),
    chunk(six ? CHUNK.source6 : CHUNK.source4, Buffer.from(packet.source)),
    chunk(six ? CHUNK.destination6 : CHUNK.destination4, Buffer.from(packet.destination)),
    chunk(CHUNK.sourcePort, u16(packet.sourcePort)),
    chunk(CHUNK.destinationPort, u16(packet.destinationPort)),
    chunk(CHUNK.seconds, u32(Math.floor(packet.atUs / 1e6))),
    chunk(CHUNK.microseconds, u32(packet.atUs % 1e6)),
    chunk(CHUNK.type, u8(TYPE_SIP)),
    chunk(CHUNK.agent, u32(packet.agent)),
    ...(packet.key === undefined ? [] : [chunk(CHUNK.key, Buffer.from(packet.key))]),
    chunk(CHUNK.correlation, Buffer.from(packet.correlation, "latin1")),
    chunk(CHUNK.payload, Buffer.from(packet.payload, "latin1")),
  ];
  const length = chunks.reduce((sum, part) => sum + part.length, HEADER_BYTES);
  if (length > MAX_BYTES) return undefined;
  const head = Buffer.alloc(HEADER_BYTES);
  head.write("HEP3", "latin1");
  head.writeUInt16BE(length, 4);
  return Buffer.concat([head, ...chunks], length);
}

function chunk(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(type, 2);
  // A payload that is too long for its field is too long for the datagram as well, and is refused there.
  head.writeUInt16BE(Math.min(0xffff, data.length + HEADER_BYTES), 4);
  return Buffer.concat([head, data]);
}

const u8 = (value: number): Buffer => Buffer.of(value);
function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
