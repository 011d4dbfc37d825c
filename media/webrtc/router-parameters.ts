import type { MediaKind, RtpCapabilities, RtpHeaderExtensionParameters } from "mediasoup/types";
import { OPUS_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE, videoCodecLines, VP8_PAYLOAD_TYPE } from "./sdp/profile.ts";
import type { BrowserLine } from "./sdp/read-browser.ts";

/** What every consumer of sound takes. */
export const opusCapability = {
  kind: "audio" as const,
  mimeType: "audio/opus",
  preferredPayloadType: OPUS_PAYLOAD_TYPE,
  clockRate: 48_000,
  channels: 2,
};

export const extensionCapability = (
  kind: MediaKind,
  { id, uri }: { readonly id: number; readonly uri: string },
) => ({
  kind,
  uri: uri as RtpHeaderExtensionParameters["uri"],
  preferredId: id,
});

const videoFeedback = [
  { type: "nack" },
  { type: "nack", parameter: "pli" },
  { type: "ccm", parameter: "fir" },
  { type: "transport-cc" },
];

/** What every slot takes. */
export const videoCapabilities: RtpCapabilities = {
  codecs: [
    {
      kind: "video",
      mimeType: "video/VP8",
      preferredPayloadType: VP8_PAYLOAD_TYPE,
      clockRate: 90_000,
      rtcpFeedback: videoFeedback,
    },
    {
      kind: "video",
      mimeType: "video/rtx",
      preferredPayloadType: RTX_PAYLOAD_TYPE,
      clockRate: 90_000,
      parameters: { apt: VP8_PAYLOAD_TYPE },
    },
  ],
  headerExtensions: videoCodecLines.extensions.map((extension) => extensionCapability("video", extension)),
};

/** A browser's stream as the router is told of it. */
export function producerParameters(
  { line, extensions, ssrc, retransmissionSsrc }: BrowserLine,
  kind: MediaKind,
) {
  const codecs =
    kind === "audio"
      ? [
          {
            mimeType: "audio/opus",
            payloadType: OPUS_PAYLOAD_TYPE,
            clockRate: 48_000,
            channels: 2,
            parameters: { useinbandfec: 1, minptime: 10 },
            rtcpFeedback: [{ type: "transport-cc" }],
          },
        ]
      : [
          {
            mimeType: "video/VP8",
            payloadType: VP8_PAYLOAD_TYPE,
            clockRate: 90_000,
            rtcpFeedback: videoFeedback,
          },
          {
            mimeType: "video/rtx",
            payloadType: RTX_PAYLOAD_TYPE,
            clockRate: 90_000,
            parameters: { apt: VP8_PAYLOAD_TYPE },
          },
        ];
  // Without an SSRC the router goes by the mid in the packets.
  const encoding =
    ssrc === undefined
      ? {}
      : { ssrc, ...(retransmissionSsrc !== undefined && { rtx: { ssrc: retransmissionSsrc } }) };
  return {
    mid: line.mid,
    codecs,
    headerExtensions: extensions.map(({ id, uri }) => ({
      id,
      uri: uri as RtpHeaderExtensionParameters["uri"],
    })),
    encodings: [encoding],
    rtcp: { reducedSize: true },
  };
}
