/** Just enough DER (ITU-T X.690 §8, §10) to write a certificate: tag, length, content. */
export const der = {
  sequence: (...parts: readonly Uint8Array[]): Buffer => tlv(0x30, Buffer.concat(parts)),
  set: (...parts: readonly Uint8Array[]): Buffer => tlv(0x31, Buffer.concat(parts)),
  /** A positive number of any length: a leading zero keeps its first bit from meaning minus. */
  integer(bytes: Uint8Array): Buffer {
    const first = bytes.findIndex((byte) => byte !== 0);
    const body = first === -1 ? Buffer.of(0) : Buffer.from(bytes.subarray(first));
    return tlv(0x02, (body[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), body]) : body);
  },
  /** Whole octets only. */
  bitString: (content: Uint8Array, unusedBits = 0): Buffer =>
    tlv(0x03, Buffer.concat([Buffer.of(unusedBits), content])),
  octetString: (content: Uint8Array): Buffer => tlv(0x04, content),
  boolean: (value: boolean): Buffer => tlv(0x01, Buffer.of(value ? 0xff : 0)),
  utf8: (text: string): Buffer => tlv(0x0c, Buffer.from(text)),
  /** RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050. */
  time(at: Date): Buffer {
    const digits = at.toISOString().replace(/[-:T]|\.\d+/g, "");
    return at.getUTCFullYear() < 2050
      ? tlv(0x17, Buffer.from(digits.slice(2)))
      : tlv(0x18, Buffer.from(digits));
  },
  /** `1.2.840.10045.4.3.2`; each part base 128, the first two in one. */
  oid(dotted: string): Buffer {
    const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
    return tlv(0x06, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
  },
  /** A context tag: `constructed` for explicit ones. */
  context: (number: number, content: Uint8Array, constructed: boolean): Buffer =>
    tlv((constructed ? 0xa0 : 0x80) | number, content),
};

function tlv(tag: number, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(tag), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return Buffer.of(0x80 | bytes.length, ...bytes);
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80);
  return bytes;
}
