/** Types of what is used of the npm package rtp-parser, which has none. */
declare module "rtp-parser" {
  export const FIXED_HEADER_LENGTH: number;
  export function parseRtpPacket(packet: Buffer): {
    readonly version: number;
    readonly padding: number;
    readonly extension: number;
    readonly csrcCount: number;
    readonly marker: number;
    readonly payloadType: number;
    readonly sequenceNumber: number;
    readonly timestamp: number;
    readonly ssrc: number;
  };
}
