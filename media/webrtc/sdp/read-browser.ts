import { CrossbandError, ErrorCode } from "#common/errors.ts";
import {
  reverseOf,
  receives,
  sends,
  type Direction,
  type Extension,
  type Fingerprint,
  type MediaSection,
  type SessionDescription,
} from "./description.ts";
import { answeredDirection, offeredDirection, type Line } from "./layout.ts";
import { parseDescription } from "./parse-description.ts";
import { knownExtensions, OPUS_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE } from "./profile.ts";

/** What a browser's description means for one of our lines. */
export interface BrowserLine {
  readonly line: Line;
  /** Ours: `sendonly` means that we send. */
  readonly direction: Direction;
  /** As the browser numbers them, only those that the router knows. */
  readonly extensions: readonly Extension[];
  /** Absent when it names none: its packets then carry the mid. */
  readonly ssrc?: number;
  readonly retransmissionSsrc?: number;
}

export interface BrowserMedia {
  readonly fingerprint: Fingerprint;
  /** The browser's part in the DTLS handshake. */
  readonly dtlsRole: "client" | "server";
  /** Every line of the layout, in order. */
  readonly lines: readonly BrowserLine[];
}

/**
 * Reads a browser's answer to an offer of `layout`.
 *
 * @throws CrossbandError SDP_INVALID, SDP_NOT_ACCEPTABLE
 */
export function readAnswer(text: string, layout: readonly Line[]): BrowserMedia {
  const description = parseDescription(text);
  if (description.sections.length !== layout.length) throw invalid("answer has another number of m-lines");
  const media = mediaOf(description, layout);
  const { setup } = liveSections(description, layout)[0] ?? {};
  // RFC 5763 §5: an answer chooses.
  if (setup === "actpass" || setup === undefined) throw invalid("answer leaves the DTLS role open");
  for (const { line, direction } of media.lines) {
    const offered = offeredDirection(line.role);
    if ((sends(direction) && !sends(offered)) || (receives(direction) && !receives(offered)))
      throw invalid("answer's direction does not fit the offer");
  }
  return { ...media, dtlsRole: setup === "active" ? "client" : "server" };
}

/**
 * Reads a browser's offer within a dialog whose lines are `layout`. Lines that it adds are rejected, and stay so.
 *
 * @throws CrossbandError SDP_INVALID, SDP_NOT_ACCEPTABLE
 */
export function readReoffer(text: string, layout: readonly Line[]): BrowserMedia {
  const description = parseDescription(text);
  if (description.sections.length < layout.length) throw invalid("offer has fewer m-lines than before");
  const added = description.sections.slice(layout.length).map(rejectedLine);
  return answering(mediaOf(description, [...layout, ...added]));
}

/**
 * Reads the offer that opens a dialog: its first sound line is taken, whatever else it offers is rejected.
 *
 * @throws CrossbandError SDP_INVALID, SDP_NOT_ACCEPTABLE when no sound line can be taken
 */
export function readFirstOffer(text: string): BrowserMedia {
  const description = parseDescription(text);
  const taken = description.sections.findIndex((section) => section.kind === "audio" && section.port !== 0);
  if (taken < 0) throw notAcceptable("no sound line is offered");
  const layout = description.sections.map((section, index): Line =>
    index === taken
      ? { mid: midOf(section), role: "audio", kind: "audio", extensions: usableExtensions(section) }
      : rejectedLine(section),
  );
  return answering(mediaOf(description, layout));
}

/** Our directions in the answer: the reverse of the offer's, as far as each line's role goes. */
function answering(media: BrowserMedia): BrowserMedia {
  const lines = media.lines.map((read) => ({
    ...read,
    direction: answeredDirection(read.line.role, reverseOf[read.direction]),
  }));
  return { ...media, lines };
}

function mediaOf(description: SessionDescription, layout: readonly Line[]): BrowserMedia {
  const lines = layout.map((line, index) => lineOf(description, description.sections[index], line));
  const live = liveSections(description, layout);
  const [first] = live;
  if (first === undefined) throw notAcceptable("every line is rejected");
  if (first.fingerprint === undefined) throw invalid("fingerprint is missing");
  if (first.ice === undefined) throw invalid("ICE user name or password is missing");
  if (live.some(({ fingerprint }) => fingerprint?.value !== first.fingerprint?.value))
    throw invalid("bundled lines have different fingerprints");
  return { fingerprint: first.fingerprint, dtlsRole: "client", lines };
}

function lineOf(description: SessionDescription, section: MediaSection | undefined, line: Line): BrowserLine {
  if (section === undefined || midOf(section) !== line.mid || section.kind !== line.kind)
    throw invalid("m-lines are not those of the offer");
  // RFC 8829 §5.2.2: a line rejected once keeps its place and stays rejected.
  if (line.role === "rejected" || section.port === 0)
    return { line: { ...line, role: "rejected" }, direction: "inactive", extensions: [] };
  if (section.protocol !== "UDP/TLS/RTP/SAVPF") throw notAcceptable("only UDP/TLS/RTP/SAVPF is understood");
  if (!description.bundle.includes(line.mid)) throw notAcceptable("all lines must be bundled");
  if (!section.rtcpMux) throw notAcceptable("rtcp-mux is required");
  checkCodec(section, line);
  const [ssrc] = section.ssrcs;
  const retransmissionSsrc = ssrc === undefined ? undefined : section.retransmission.get(ssrc);
  return {
    line,
    direction: reverseOf[section.direction],
    extensions: usableExtensions(section),
    ...(ssrc !== undefined && { ssrc }),
    ...(retransmissionSsrc !== undefined && { retransmissionSsrc }),
  };
}

/** The router sends with its own payload types only, so the browser must know the codec by the same number. */
function checkCodec(section: MediaSection, line: Line): void {
  const [name, clockRate, payloadType] =
    line.role === "audio" ? ["opus", 48_000, OPUS_PAYLOAD_TYPE] : ["vp8", 90_000, VP8_PAYLOAD_TYPE];
  const found = section.codecs.some(
    (codec) => codec.name === name && codec.clockRate === clockRate && codec.payloadType === payloadType,
  );
  if (!found) throw notAcceptable(`${name} with payload type ${payloadType} is required`);
}

const liveSections = (description: SessionDescription, layout: readonly Line[]): MediaSection[] =>
  description.sections.filter(
    (section, index) => section.port !== 0 && (layout[index]?.role ?? "rejected") !== "rejected",
  );

/** RFC 8285 §4.2: ids above 14 need the two-byte form, which nobody was offered. */
const usableExtensions = (section: MediaSection): Extension[] =>
  section.extensions.filter(({ id, uri }) => id <= 14 && knownExtensions.has(uri));

const rejectedLine = (section: MediaSection): Line => ({
  mid: midOf(section),
  role: "rejected",
  kind: section.kind,
  rejected: { protocol: section.protocol, format: section.formats[0] ?? "0" },
});

function midOf(section: MediaSection): string {
  if (section.mid === undefined) throw invalid("m-line has no mid");
  return section.mid;
}

const invalid = (message: string): CrossbandError => new CrossbandError(ErrorCode.SdpInvalid, message);

const notAcceptable = (message: string): CrossbandError =>
  new CrossbandError(ErrorCode.SdpNotAcceptable, message, { warning: message });
