import { FIXED_HEADER_LENGTH, parseRtpPacket } from "rtp-parser";

/** The header extension of RFC 3550 §5.3.1: what it is, and its body. */
export interface RtpExtension {
  readonly profile: number;
  readonly body: Buffer;
}

export interface RtpPacket {
  readonly marker: boolean;
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly csrc: readonly number[];
  readonly extension: RtpExtension | undefined;
  /** A view into the datagram: copy what is kept. */
  readonly payload: Buffer;
}

/** Why a datagram is no RTP packet. `rtcp` is a report on the media port (RFC 5761 §4). */
export type RtpFault = "short" | "version" | "rtcp" | "csrc" | "extension" | "padding";

const VERSION = 2;
const EXTENSION_HEADER = 4;
/** RFC 5761 §4: payload types 64-95 with the marker are RTCP packet types 192-223. */
const isRtcp = (second: number): boolean => second >= 192 && second <= 223;

/**
 * Reads one RTP packet. rtp-parser reads the fixed header; the rest is read here, because it takes CSRCs from the wrong place
 * and leaves extension and padding in the payload. Never throws.
 *
 * ```
 *  0                   1                   2                   3
 * |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 * |                           timestamp                           |
 * |                             SSRC                              |
 * |                     CSRC × CC (32 bits each)                  |
 * | X=1:    profile               |     length in 32-bit words    |
 * ```
 */
export function readRtp(datagram: Buffer): RtpPacket | RtpFault {
  if (datagram.length < FIXED_HEADER_LENGTH) return "short";
  const [first = 0, second = 0] = datagram;
  if (first >> 6 !== VERSION) return "version";
  if (isRtcp(second)) return "rtcp";
  const csrcCount = first & 0x0f;
  let at = FIXED_HEADER_LENGTH + 4 * csrcCount;
  if (datagram.length < at) return "csrc";
  const header = parseRtpPacket(csrcCount === 0 ? datagram : datagram.subarray(0, at));
  const csrc = Array.from({ length: csrcCount }, (_, i) =>
    datagram.readUInt32BE(FIXED_HEADER_LENGTH + 4 * i),
  );
  let extension: RtpExtension | undefined;
  if (header.extension === 1) {
    if (datagram.length < at + EXTENSION_HEADER) return "extension";
    const end = at + EXTENSION_HEADER + 4 * datagram.readUInt16BE(at + 2);
    if (datagram.length < end) return "extension";
    extension = { profile: datagram.readUInt16BE(at), body: datagram.subarray(at + EXTENSION_HEADER, end) };
    at = end;
  }
  let end = datagram.length;
  if (header.padding === 1) {
    const padding = datagram[end - 1] ?? 0;
    if (padding === 0 || end - padding < at) return "padding";
    end -= padding;
  }
  return {
    marker: header.marker === 1,
    payloadType: header.payloadType,
    sequence: header.sequenceNumber,
    timestamp: header.timestamp,
    ssrc: header.ssrc,
    csrc,
    extension,
    payload: datagram.subarray(at, end),
  };
}
