import type { Direction, Fingerprint, Ice, Setup } from "./description.ts";
import type { Line } from "./layout.ts";
import type { CodecLines } from "./profile.ts";

/** What one camera may send at most, in kbit/s: every other browser of the group receives it. RFC 8866 §5.8. */
const CAMERA_KBIT = 1_200;

/** Our end of the transport, as the WebRTC server made it. */
export interface LocalTransport {
  readonly ice: Ice;
  readonly fingerprint: Fingerprint;
  readonly candidates: readonly Candidate[];
}

export interface Candidate {
  readonly foundation: string;
  readonly priority: number;
  readonly address: string;
  readonly port: number;
  readonly protocol: "udp" | "tcp";
}

/** One m-line to write. */
export interface WrittenLine {
  readonly line: Line;
  readonly direction: Direction;
  readonly codec: CodecLines;
  /** Never in slots: a signalled SSRC forbids changing who is shown without a new offer. */
  readonly ssrc?: number;
}

export interface WrittenDescription {
  readonly originId: string;
  readonly version: number;
  readonly setup: Setup;
  readonly transport: LocalTransport;
  readonly lines: readonly WrittenLine[];
}

/**
 * Writes an offer or answer of ours. ICE and DTLS stand once at session level and candidates in the first live line only, which keeps
 * six m-lines near two kilobytes; every line carries the same extension ids, as BUNDLE requires (RFC 9143 §9.1).
 */
export function writeDescription({ originId, version, setup, transport, lines }: WrittenDescription): string {
  const live = lines.filter(({ line }) => line.role !== "rejected");
  const address = transport.candidates[0]?.address ?? "127.0.0.1";
  const connection = `IN ${address.includes(":") ? "IP6" : "IP4"} ${address}`;
  return [
    "v=0",
    `o=- ${originId} ${version} ${connection}`,
    "s=-",
    "t=0 0",
    "a=ice-lite",
    `a=group:BUNDLE ${live.map(({ line }) => line.mid).join(" ")}`,
    "a=msid-semantic: WMS *",
    `a=ice-ufrag:${transport.ice.ufrag}`,
    `a=ice-pwd:${transport.ice.pwd}`,
    `a=fingerprint:${transport.fingerprint.algorithm} ${transport.fingerprint.value}`,
    `a=setup:${setup}`,
    ...lines.flatMap((written) =>
      linesOf(written, connection, written === live[0] ? transport.candidates : []),
    ),
    "",
  ].join("\r\n");
}

function linesOf(
  { line, direction, codec, ssrc }: WrittenLine,
  connection: string,
  candidates: readonly Candidate[],
): string[] {
  if (line.role === "rejected") return rejectedLines(line, codec, connection);
  const sending = direction === "sendrecv" || direction === "sendonly";
  return [
    `m=${line.kind} 9 UDP/TLS/RTP/SAVPF ${codec.payloadTypes.join(" ")}`,
    `c=${connection}`,
    ...(line.role === "camera" ? [`b=AS:${CAMERA_KBIT}`] : []),
    `a=mid:${line.mid}`,
    `a=${direction}`,
    "a=rtcp-mux",
    "a=rtcp-rsize",
    ...candidates.map(
      ({ foundation, priority, address, port, protocol }) =>
        `a=candidate:${foundation} 1 ${protocol} ${priority} ${address} ${port} typ host`,
    ),
    ...(candidates.length > 0 ? ["a=end-of-candidates"] : []),
    ...codec.attributes.map((attribute) => `a=${attribute}`),
    ...(line.extensions ?? codec.extensions).map(({ id, uri }) => `a=extmap:${id} ${uri}`),
    ...(sending ? [`a=msid:s${line.mid} t${line.mid}`] : []),
    ...(sending && ssrc !== undefined ? [`a=ssrc:${ssrc} cname:mix`] : []),
  ];
}

/** Even a rejected line needs a format: RFC 8866 §5.14, and Chromium refuses it without. */
function rejectedLines({ mid, kind, rejected }: Line, codec: CodecLines, connection: string): string[] {
  const { protocol, format } = rejected ?? {
    protocol: "UDP/TLS/RTP/SAVPF",
    format: codec.payloadTypes.join(" "),
  };
  return [`m=${kind} 0 ${protocol} ${format}`, `c=${connection}`, `a=mid:${mid}`, "a=inactive"];
}
