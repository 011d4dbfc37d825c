import { isIP } from "node:net";
import { parse, type SessionDescription } from "sdp-transform";
import { CrossbandError, ErrorCode } from "#common/errors.ts";

export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";
export type PhoneCodec = "pcmu" | "pcma";

/** The audio line that we take part in, seen from the phone. */
export interface PhoneAudio {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly rtcp: { readonly address: string; readonly port: number };
  /** What the phone would do; our side is `answerDirection` of it. */
  readonly direction: Direction;
  /** What it may send by payload type; all of these are decoded, whichever was chosen. */
  readonly codecs: ReadonlyMap<number, PhoneCodec>;
  /** The first it named that we have: what we send, and the only one we answer with. */
  readonly preferred: { readonly payloadType: number; readonly codec: PhoneCodec };
  /** Payload type of RFC 4733 telephone-event at 8 kHz. */
  readonly eventType?: number;
}

/** One m-line as it must be mirrored in an answer. */
export interface MediaLine {
  readonly type: string;
  readonly protocol: string;
  readonly formats: string;
}

export interface PhoneSdp {
  readonly lines: readonly MediaLine[];
  /** Which of the lines `audio` is. */
  readonly audioIndex: number;
  readonly audio: PhoneAudio;
}

/** Longest description of a phone that is read, in octets; real ones have about 300. */
const MAX_SDP = 16_384;
/** More media lines than any phone offers. */
const MAX_LINES = 32;
const PLAIN_RTP = new Set(["RTP/AVP", "RTP/AVPF"]);
const ZERO_ADDRESS = new Set(["0.0.0.0", "::"]);
/** RFC 3551 §6: what these payload types mean when no rtpmap says so. */
const STATIC_TYPES: ReadonlyMap<number, PhoneCodec> = new Map([
  [0, "pcmu"],
  [8, "pcma"],
]);

/**
 * Reads a phone's offer or answer.
 *
 * @param host ours, for the Warning of a refusal
 * @throws CrossbandError SDP_INVALID for what is no session description; SDP_NOT_ACCEPTABLE, context `warning`, for one
 *   without plain-RTP audio in PCMU or PCMA
 */
export function readPhoneSdp(text: string, host: string): PhoneSdp {
  const session = parseSession(text);
  const lines = session.media.map((media) => ({
    type: media.type,
    protocol: media.protocol,
    formats: formatsOf(media),
  }));
  const live = session.media
    .map((media, index) => ({ media, index }))
    .filter(({ media }) => media.type === "audio" && media.port !== 0);
  if (live.length === 0) throw notAcceptable(304, host, "Media type not available");
  const plain = live.filter(({ media }) => PLAIN_RTP.has(media.protocol.toUpperCase()));
  if (plain.length === 0) throw notAcceptable(302, host, "Incompatible transport protocol");
  for (const { media, index } of plain) {
    const audio = readAudio(media, session);
    if (audio && isIP(host) !== 0 && isIP(audio.address) !== isIP(host))
      throw notAcceptable(301, host, "Incompatible network address formats");
    if (audio) return { lines, audioIndex: index, audio };
  }
  throw notAcceptable(305, host, "Incompatible media format");
}

/** Our direction for the one that the other side gave (RFC 3264 §6.1). */
export const answerDirection = (theirs: Direction): Direction =>
  (({ sendrecv: "sendrecv", sendonly: "recvonly", recvonly: "sendonly", inactive: "inactive" }) as const)[
    theirs
  ];

/** Whether the side that gave this direction sends, and whether it listens. */
export const sends = (direction: Direction): boolean => direction === "sendrecv" || direction === "sendonly";
export const receives = (direction: Direction): boolean =>
  direction === "sendrecv" || direction === "recvonly";

function parseSession(text: string): SessionDescription {
  if (text.length > MAX_SDP) throw invalid("is too long");
  if (!/^v=0\r?\n/.test(text)) throw invalid("does not begin with v=0");
  let session: SessionDescription;
  try {
    session = parse(text);
  } catch (cause) {
    throw new CrossbandError(ErrorCode.SdpInvalid, "session description cannot be read", {}, { cause });
  }
  if (session.media.length === 0) throw invalid("has no media line");
  if (session.media.length > MAX_LINES) throw invalid("has too many media lines");
  for (const media of session.media) {
    const { port, protocol, type } = media;
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid("has a port out of range");
    if (!/^[\w/-]{1,32}$/.test(protocol) || !/^[a-z]{1,16}$/.test(type))
      throw invalid("has a malformed media line");
    if (!/^[\w.+* -]{1,512}$/.test(formatsOf(media))) throw invalid("has a malformed format list");
  }
  return session;
}

type Media = SessionDescription["media"][number];

function readAudio(media: Media, session: SessionDescription): PhoneAudio | undefined {
  const connection = media.connection ?? session.connection;
  if (!connection) throw invalid("has no c= line");
  if (isIP(connection.ip) === 0) throw invalid("has a c= line without an IP address");
  if (isGroupAddress(connection.ip)) throw invalid("has a c= line that is no address of one phone");
  const { codecs, eventType } = readFormats(media);
  const [first] = codecs;
  if (!first) return undefined;
  // RFC 2543 hold: still in use, and means that nothing may be sent.
  const held = ZERO_ADDRESS.has(connection.ip);
  const direction = held ? "inactive" : directionOf(media.direction ?? session.direction);
  const rtcpPort = media.rtcp?.port;
  const rtcpAddress = media.rtcp?.address;
  return {
    protocol: media.protocol,
    address: connection.ip,
    port: media.port,
    rtcp: {
      address: rtcpAddress !== undefined && isIP(rtcpAddress) !== 0 ? rtcpAddress : connection.ip,
      port: isPort(rtcpPort) ? rtcpPort : Math.min(media.port + 1, 65_535),
    },
    direction,
    codecs,
    preferred: { payloadType: first[0], codec: first[1] },
    ...(eventType === undefined ? {} : { eventType }),
  };
}

function readFormats(media: Media): { codecs: Map<number, PhoneCodec>; eventType?: number } {
  const codecs = new Map<number, PhoneCodec>();
  let eventType: number | undefined;
  for (const format of formatsOf(media).split(/\s+/)) {
    const payloadType = Number(format);
    if (!Number.isInteger(payloadType) || payloadType < 0 || payloadType > 127)
      throw invalid("has a payload type out of range");
    const map = media.rtp.find((entry) => entry.payload === payloadType);
    if (map?.rate !== undefined && map.rate !== 8_000) continue;
    const name = map ? map.codec.toLowerCase() : STATIC_TYPES.get(payloadType);
    if (name === "pcmu" || name === "pcma") codecs.set(payloadType, name);
    else if (name === "telephone-event") eventType ??= payloadType;
  }
  return eventType === undefined ? { codecs } : { codecs, eventType };
}

const isPort = (port: number | undefined): port is number =>
  port !== undefined && Number.isInteger(port) && port > 0 && port <= 65_535;

/** Multicast and broadcast: audio sent there would reach whoever is named, not who asked. */
const isGroupAddress = (address: string): boolean =>
  isIP(address) === 4 ? Number.parseInt(address, 10) >= 224 : /^ff/i.test(address);

/** sdp-transform turns a list of one format into a number. */
const formatsOf = ({ payloads }: { payloads?: string | number }): string => String(payloads ?? "").trim();

const directionOf = (value: string | undefined): Direction =>
  value === "sendonly" || value === "recvonly" || value === "inactive" ? value : "sendrecv";

const invalid = (what: string): CrossbandError =>
  new CrossbandError(ErrorCode.SdpInvalid, `session description ${what}`);

/** RFC 3261 §20.43. */
const notAcceptable = (code: number, host: string, text: string): CrossbandError =>
  new CrossbandError(ErrorCode.SdpNotAcceptable, text, { warning: `${code} ${host} "${text}"` });
