import type { Extension } from "./description.ts";

/**
 * Payload types and header extension ids of every browser leg. They are the media router's own (it sends with no others), and
 * they never change within a dialog: Chromium's renderer crashes when an extension id moves between offers.
 * `worker.sip.test.ts` compares them with the router's.
 */
export const OPUS_PAYLOAD_TYPE = 111;
export const VP8_PAYLOAD_TYPE = 96;
export const RTX_PAYLOAD_TYPE = 100;

export const MID_EXTENSION: Extension = { id: 1, uri: "urn:ietf:params:rtp-hdrext:sdes:mid" };
const absSendTime: Extension = { id: 4, uri: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" };
const transportWide: Extension = {
  id: 5,
  uri: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
};
const videoOrientation: Extension = { id: 8, uri: "urn:3gpp:video-orientation" };

/** RFC 6464: how loud each packet is, so that silence need not be decoded to be known. */
export const LEVEL_EXTENSION: Extension = { id: 6, uri: "urn:ietf:params:rtp-hdrext:ssrc-audio-level" };

export interface CodecLines {
  readonly payloadTypes: readonly number[];
  readonly extensions: readonly Extension[];
  /** `rtpmap`, `fmtp` and `rtcp-fb` attributes. */
  readonly attributes: readonly string[];
}

/** What an audio line offers. No `nack`: Chromium drops it from its answer. */
export const audioCodecLines: CodecLines = {
  payloadTypes: [OPUS_PAYLOAD_TYPE],
  extensions: [MID_EXTENSION, absSendTime, transportWide, LEVEL_EXTENSION],
  attributes: [
    `rtpmap:${OPUS_PAYLOAD_TYPE} opus/48000/2`,
    `rtcp-fb:${OPUS_PAYLOAD_TYPE} transport-cc`,
    `fmtp:${OPUS_PAYLOAD_TYPE} minptime=10;useinbandfec=1`,
  ],
};

export const videoCodecLines: CodecLines = {
  payloadTypes: [VP8_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE],
  extensions: [MID_EXTENSION, absSendTime, transportWide, videoOrientation],
  attributes: [
    `rtpmap:${VP8_PAYLOAD_TYPE} VP8/90000`,
    `rtcp-fb:${VP8_PAYLOAD_TYPE} nack`,
    `rtcp-fb:${VP8_PAYLOAD_TYPE} nack pli`,
    `rtcp-fb:${VP8_PAYLOAD_TYPE} ccm fir`,
    `rtcp-fb:${VP8_PAYLOAD_TYPE} transport-cc`,
    `rtpmap:${RTX_PAYLOAD_TYPE} rtx/90000`,
    `fmtp:${RTX_PAYLOAD_TYPE} apt=${VP8_PAYLOAD_TYPE}`,
  ],
};

/** Extensions that may be handed to the media router: it refuses those it does not know. */
export const knownExtensions: ReadonlySet<string> = new Set(
  [...audioCodecLines.extensions, ...videoCodecLines.extensions].map(({ uri }) => uri),
);
