/** The RTCP that a phone needs of us: sender and receiver reports with a name, and goodbye (RFC 3550 §6). */

export const RTCP_SR = 200;
export const RTCP_RR = 201;
const RTCP_SDES = 202;
export const RTCP_BYE = 203;
const SDES_CNAME = 1;
/** Seconds between 1900 and 1970, for NTP time. */
const NTP_EPOCH_S = 2_208_988_800;

export interface SenderInfo {
  /** Wall clock, ms since 1970. */
  readonly nowMs: number;
  readonly timestamp: number;
  readonly packets: number;
  readonly octets: number;
}

/** RFC 3550 §6.4.1, one report block. */
export interface ReportBlock {
  readonly ssrc: number;
  /** Share of packets lost since the last report, 0 to 255. */
  readonly fractionLost: number;
  readonly lost: number;
  readonly highestSequence: number;
  /** In timestamp units. */
  readonly jitter: number;
}

const header = (type: number, count: number, length: number): Buffer => {
  const packet = Buffer.alloc(length);
  packet[0] = 0x80 | count;
  packet[1] = type;
  packet.writeUInt16BE(length / 4 - 1, 2);
  return packet;
};

/** A compound packet: SR when something was sent, else RR, then SDES CNAME. */
export function writeReport(
  ssrc: number,
  cname: string,
  sender: SenderInfo | undefined,
  block: ReportBlock | undefined,
): Buffer {
  const blocks = block ? 1 : 0;
  const report = header(sender ? RTCP_SR : RTCP_RR, blocks, 8 + (sender ? 20 : 0) + 24 * blocks);
  report.writeUInt32BE(ssrc, 4);
  if (sender) {
    report.writeUInt32BE((Math.floor(sender.nowMs / 1_000) + NTP_EPOCH_S) >>> 0, 8);
    report.writeUInt32BE(Math.floor(((sender.nowMs % 1_000) / 1_000) * 2 ** 32) >>> 0, 12);
    report.writeUInt32BE(sender.timestamp, 16);
    report.writeUInt32BE(sender.packets >>> 0, 20);
    report.writeUInt32BE(sender.octets >>> 0, 24);
  }
  if (block) {
    const at = sender ? 28 : 8;
    report.writeUInt32BE(block.ssrc, at);
    // 24 bits, signed: duplicates may make it negative.
    report.writeUInt32BE(((block.fractionLost << 24) | (block.lost & 0xff_ffff)) >>> 0, at + 4);
    report.writeUInt32BE(block.highestSequence >>> 0, at + 8);
    report.writeUInt32BE(Math.round(block.jitter) >>> 0, at + 12);
  }
  return Buffer.concat([report, description(ssrc, cname)]);
}

/** RFC 3550 §6.6, after an empty receiver report as every compound packet begins with a report. */
export function writeBye(ssrc: number): Buffer {
  const [report, bye] = [header(RTCP_RR, 0, 8), header(RTCP_BYE, 1, 8)];
  report.writeUInt32BE(ssrc, 4);
  bye.writeUInt32BE(ssrc, 4);
  return Buffer.concat([report, bye]);
}

/** The packet types of a compound packet; undefined when it is malformed (RFC 3550 appendix A.2). */
export function readRtcpTypes(datagram: Buffer): number[] | undefined {
  const types: number[] = [];
  for (let at = 0; at < datagram.length;) {
    if (datagram.length - at < 4 || (datagram[at] ?? 0) >> 6 !== 2) return undefined;
    types.push(datagram[at + 1] ?? 0);
    at += 4 * (datagram.readUInt16BE(at + 2) + 1);
    if (at > datagram.length) return undefined;
  }
  return types.length > 0 ? types : undefined;
}

function description(ssrc: number, cname: string): Buffer {
  const name = Buffer.from(cname).subarray(0, 255);
  // Item, its length, and at least one zero octet that ends the chunk.
  const length = 8 + Math.ceil((2 + name.length + 1) / 4) * 4;
  const packet = header(RTCP_SDES, 1, length);
  packet.writeUInt32BE(ssrc, 4);
  packet[8] = SDES_CNAME;
  packet[9] = name.length;
  packet.set(name, 10);
  return packet;
}
