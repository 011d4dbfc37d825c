/**
 * STUN Binding on the SIP port, as clients keep their UDP flow open (RFC 5626 §4.4.2, RFC 8489):
 *
 *    0                   1                   2                   3
 *   |0 0|      type       |            length             |   0x0001 request, 0x0101 success
 *   |                  magic cookie 0x2112A442             |
 *   |                  transaction id, 96 bits             |
 */
const HEADER_BYTES = 20;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const MAGIC_COOKIE = 0x2112a442;
const XOR_MAPPED_ADDRESS = 0x0020;

/** The answer to a Binding request from an IPv4 address; undefined when the packet is none. It is 32 bytes: no amplifier. */
export function stunAnswer(packet: Buffer, host: string, port: number): Buffer | undefined {
  if (packet.length < HEADER_BYTES || packet[0] !== 0 || packet.readUInt16BE(0) !== BINDING_REQUEST)
    return undefined;
  if (packet.readUInt32BE(4) !== MAGIC_COOKIE || packet.readUInt16BE(2) !== packet.length - HEADER_BYTES)
    return undefined;
  const octets = host.split(".").map(Number);
  if (octets.length !== 4) return undefined;
  const answer = Buffer.alloc(HEADER_BYTES + 12);
  answer.writeUInt16BE(BINDING_SUCCESS, 0);
  answer.writeUInt16BE(12, 2);
  packet.copy(answer, 4, 4, HEADER_BYTES);
  answer.writeUInt16BE(XOR_MAPPED_ADDRESS, 20);
  answer.writeUInt16BE(8, 22);
  answer.writeUInt8(1, 25);
  answer.writeUInt16BE(port ^ (MAGIC_COOKIE >>> 16), 26);
  answer.writeUInt32BE((Buffer.from(octets).readUInt32BE(0) ^ MAGIC_COOKIE) >>> 0, 28);
  return answer;
}
