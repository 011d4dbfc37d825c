import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type {
  Codec,
  Direction,
  Extension,
  Fingerprint,
  Ice,
  MediaSection,
  SessionDescription,
  Setup,
} from "./description.ts";

/** Longest description read, in characters: Chromium's re-offer of nine video lines has about 40,000. */
export const MAX_DESCRIPTION_LENGTH = 65_536;
export const MAX_LINE_LENGTH = 2_048;
export const MAX_SECTIONS = 32;
/** Of one m-line: payload types are seven bits, and Chromium mentions each SSRC at most four times. */
const MAX_PAYLOAD_TYPES = 128;
const MAX_SSRCS = 16;

/** Hex pairs in a fingerprint. RFC 8122 §5; SHA-1 and older are not accepted. */
const fingerprintBytes: Readonly<Record<Fingerprint["algorithm"], number>> = {
  "sha-256": 32,
  "sha-384": 48,
  "sha-512": 64,
};

const directions: readonly string[] = ["sendrecv", "sendonly", "recvonly", "inactive"] satisfies Direction[];
const setups: readonly string[] = ["actpass", "active", "passive"] satisfies Setup[];

/** What attributes set, of the session or of one m-line. */
interface Draft {
  ufrag?: string;
  pwd?: string;
  fingerprint?: Fingerprint | undefined;
  setup?: Setup;
  direction?: Direction;
  mid?: string;
  rtcpMux: boolean;
  readonly codecs: Codec[];
  readonly extensions: Extension[];
  readonly ssrcs: Set<number>;
  readonly retransmission: Map<number, number>;
}

type AttributeReader = (draft: Draft, value: string) => void;

/** Attributes that matter to us; every other one is skipped unread. */
const attributes: Readonly<Record<string, AttributeReader | undefined>> = {
  // RFC 8839 §5.4: ice-char is ALPHA / DIGIT / "+" / "/".
  "ice-ufrag": (draft, value) => (draft.ufrag = matched(value, /^[A-Za-z0-9+/]{4,256}$/, "ice-ufrag")),
  "ice-pwd": (draft, value) => (draft.pwd = matched(value, /^[A-Za-z0-9+/]{22,256}$/, "ice-pwd")),
  fingerprint: (draft, value) => {
    draft.fingerprint ??= fingerprintOf(value);
  },
  setup: (draft, value) => {
    if (!isSetup(value)) throw invalid("setup role is unknown");
    draft.setup = value;
  },
  mid: (draft, value) => (draft.mid = matched(value, /^[A-Za-z0-9_-]{1,16}$/, "mid")),
  "rtcp-mux": (draft) => (draft.rtcpMux = true),
  rtpmap: (draft, value) => {
    const [, payloadType = "", name = "", clockRate = "", channels = "1"] =
      /^(\d{1,3}) ([A-Za-z0-9._-]{1,32})\/(\d{1,6})(?:\/(\d{1,2}))?$/.exec(value) ??
      fail("rtpmap is malformed");
    draft.codecs.push({
      payloadType: payloadTypeOf(payloadType),
      name: name.toLowerCase(),
      clockRate: Number(clockRate),
      channels: Number(channels),
    });
  },
  extmap: (draft, value) => {
    const [, id = "", uri = ""] =
      /^(\d{1,3})(?:\/(?:sendrecv|sendonly|recvonly|inactive))? (\S{1,256})(?: .*)?$/.exec(value) ??
      fail("extmap is malformed");
    // RFC 8285 §5: 1-14 in the one-byte form, up to 255 in the other.
    if (Number(id) < 1 || Number(id) > 255) throw invalid("extmap id is out of range");
    draft.extensions.push({ id: Number(id), uri });
  },
  ssrc: (draft, value) => {
    draft.ssrcs.add(ssrcOf(/^(\d+)(?: .*)?$/.exec(value)?.[1] ?? ""));
    if (draft.ssrcs.size > MAX_SSRCS) throw invalid("m-line has too many SSRCs");
  },
  "ssrc-group": (draft, value) => {
    const [semantics, media, repair, ...more] = value.split(" ");
    if (semantics !== "FID") return;
    if (media === undefined || repair === undefined || more.length > 0)
      throw invalid("FID group is not a pair");
    draft.retransmission.set(ssrcOf(media), ssrcOf(repair));
    if (draft.retransmission.size > MAX_SSRCS) throw invalid("m-line has too many FID groups");
  },
};

/**
 * Reads a browser's session description. Unknown attributes are skipped; a known one that is malformed refuses the whole,
 * because what passes here is handed to native code.
 *
 * @throws CrossbandError SDP_INVALID
 */
export function parseDescription(text: string): SessionDescription {
  const lines = linesOf(text);
  const firstMedia = lines.findIndex((line) => line.startsWith("m="));
  const head = firstMedia < 0 ? lines : lines.slice(0, firstMedia);
  checkHead(head);
  const session = emptyDraft();
  let bundle: string[] = [];
  for (const line of head) {
    const group = /^a=group:BUNDLE((?: [A-Za-z0-9_-]{1,16})*)$/.exec(line)?.[1];
    if (group !== undefined) bundle = group.split(" ").filter((mid) => mid !== "");
    else readAttribute(session, line);
  }
  const sections = blocksOf(lines.slice(head.length)).map((block) => sectionOf(block, session));
  const mids = sections.map(({ mid }) => mid).filter((mid) => mid !== undefined);
  if (new Set(mids).size !== mids.length) throw invalid("two m-lines have the same mid");
  if (bundle.length > MAX_SECTIONS || bundle.some((mid) => !mids.includes(mid)))
    throw invalid("BUNDLE names an unknown mid");
  return { bundle, sections };
}

function linesOf(text: string): string[] {
  if (text.length > MAX_DESCRIPTION_LENGTH) throw invalid("description is too long");
  const lines = text.split(/\r\n|\n/);
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) {
    if (line.length > MAX_LINE_LENGTH) throw invalid("line is too long");
    // eslint-disable-next-line no-control-regex -- control characters are what must not pass
    if (!/^[a-z]=[^\x00-\x1f\x7f]*$/.test(line)) throw invalid("line is malformed");
  }
  return lines;
}

/** RFC 8866 §5: v=, o= and s= come first, in this order. */
function checkHead(head: readonly string[]): void {
  if (head[0] !== "v=0") throw invalid("version is not 0");
  if (!/^o=\S+ \d{1,20} \d{1,20} IN IP[46] \S+$/.test(head[1] ?? "")) throw invalid("origin is malformed");
  if (!head[2]?.startsWith("s=")) throw invalid("session name is missing");
}

function blocksOf(lines: readonly string[]): string[][] {
  const blocks: string[][] = [];
  for (const line of lines) {
    if (line.startsWith("m=")) blocks.push([line]);
    else blocks.at(-1)?.push(line);
  }
  if (blocks.length > MAX_SECTIONS) throw invalid("description has too many m-lines");
  return blocks;
}

function sectionOf([media = "", ...lines]: readonly string[], session: Draft): MediaSection {
  const [, kind = "", port = "", protocol = "", formats = ""] =
    /^m=([a-z]{1,16}) (\d{1,5})(?:\/\d+)? ([A-Z0-9/]{1,32}) (\S+(?: \S+)*)$/.exec(media) ??
    fail("m-line is malformed");
  if (Number(port) > 65_535) throw invalid("port is out of range");
  const listed = formats.split(" ");
  if (listed.length > MAX_PAYLOAD_TYPES) throw invalid("m-line has too many formats");
  const payloadTypes = protocol.includes("RTP/") ? listed.map(payloadTypeOf) : [];
  const draft = emptyDraft();
  for (const line of lines) readAttribute(draft, line);
  if (draft.codecs.length > MAX_PAYLOAD_TYPES) throw invalid("m-line has too many codecs");
  return {
    kind,
    port: Number(port),
    protocol,
    formats: listed,
    mid: draft.mid,
    direction: draft.direction ?? session.direction ?? "sendrecv",
    ice: iceOf(draft) ?? iceOf(session),
    fingerprint: draft.fingerprint ?? session.fingerprint,
    setup: draft.setup ?? session.setup,
    codecs: draft.codecs.filter(({ payloadType }) => payloadTypes.includes(payloadType)),
    extensions: [...session.extensions, ...draft.extensions],
    ssrcs: [...draft.ssrcs],
    retransmission: draft.retransmission,
    rtcpMux: draft.rtcpMux,
  };
}

function readAttribute(draft: Draft, line: string): void {
  const [, name = "", value = ""] = /^a=([A-Za-z0-9-]+)(?::(.*))?$/.exec(line) ?? [];
  if (isDirection(name)) draft.direction = name;
  else if (Object.hasOwn(attributes, name)) attributes[name]?.(draft, value);
}

const emptyDraft = (): Draft => ({
  rtcpMux: false,
  codecs: [],
  extensions: [],
  ssrcs: new Set(),
  retransmission: new Map(),
});

const iceOf = ({ ufrag, pwd }: Draft): Ice | undefined =>
  ufrag === undefined || pwd === undefined ? undefined : { ufrag, pwd };

function fingerprintOf(value: string): Fingerprint | undefined {
  const [, name = "", hex = ""] =
    /^([A-Za-z0-9-]{1,16}) ([0-9A-Fa-f:]{1,256})$/.exec(value) ?? fail("fingerprint is malformed");
  const algorithm = name.toLowerCase();
  if (!isFingerprintAlgorithm(algorithm)) return undefined;
  if (!/^[0-9A-F]{2}(:[0-9A-F]{2})*$/i.test(hex) || hex.length !== fingerprintBytes[algorithm] * 3 - 1)
    throw invalid("fingerprint has the wrong length");
  return { algorithm, value: hex.toUpperCase() };
}

function payloadTypeOf(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > 127) throw invalid("payload type is out of range");
  return Number(text);
}

function ssrcOf(text: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) < 1 || Number(text) > 0xff_ff_ff_ff)
    throw invalid("SSRC is out of range");
  return Number(text);
}

function matched(value: string, pattern: RegExp, name: string): string {
  if (!pattern.test(value)) throw invalid(`${name} is malformed`);
  return value;
}

const isDirection = (value: string): value is Direction => directions.includes(value);
const isSetup = (value: string): value is Setup => setups.includes(value);
const isFingerprintAlgorithm = (value: string): value is Fingerprint["algorithm"] =>
  Object.hasOwn(fingerprintBytes, value);

const invalid = (message: string): CrossbandError => new CrossbandError(ErrorCode.SdpInvalid, message);

function fail(message: string): never {
  throw invalid(message);
}
