/** The little SDP a phone needs. */
export interface AudioDescription {
  readonly host: string;
  readonly port: number;
  readonly codecs: readonly Codec[];
  readonly payloadTypes: readonly number[];
  readonly events?: number;
  readonly direction: Direction;
}

export type Codec = "PCMU" | "PCMA";
export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

export const payloadTypeOf: Readonly<Record<Codec, number>> = { PCMU: 0, PCMA: 8 };
export const EVENT_PAYLOAD_TYPE = 101;

export function formatSdp(options: {
  host: string;
  port: number;
  codecs: readonly Codec[];
  events?: number | undefined;
  direction?: Direction;
  version: number;
  session: number;
}): string {
  const { host, port, codecs, events, direction = "sendrecv", version, session } = options;
  const family = host.includes(":") ? "IP6" : "IP4";
  const types = codecs.map((codec) => payloadTypeOf[codec]);
  return [
    "v=0",
    `o=phone ${session} ${version} IN ${family} ${host}`,
    "s=-",
    `c=IN ${family} ${host}`,
    "t=0 0",
    `m=audio ${port} RTP/AVP ${[...types, ...(events === undefined ? [] : [events])].join(" ")}`,
    ...codecs.map((codec) => `a=rtpmap:${payloadTypeOf[codec]} ${codec}/8000`),
    ...(events === undefined ? [] : [`a=rtpmap:${events} telephone-event/8000`, `a=fmtp:${events} 0-16`]),
    "a=ptime:20",
    `a=${direction}`,
    "",
  ].join("\r\n");
}

/**
 * Reads the first audio line.
 *
 * @throws Error when there is none, or it is refused (port 0)
 */
export function parseSdp(sdp: string): AudioDescription {
  const lines = sdp.split(/\r?\n/);
  const start = lines.findIndex((line) => line.startsWith("m=audio "));
  if (start < 0) throw new Error(`no audio in SDP: ${JSON.stringify(sdp)}`);
  const next = lines.findIndex((line, i) => i > start && line.startsWith("m="));
  const media = lines.slice(start, next < 0 ? undefined : next);
  const session = lines.slice(0, start);
  const [, port = "0", , ...types] = (lines[start] ?? "").split(" ");
  if (Number(port) === 0) throw new Error("audio was refused");
  const connection = [...media, ...session].find((line) => line.startsWith("c="));
  const payloadTypes = types.map(Number);
  const events = media
    .map((line) => /^a=rtpmap:(\d+) telephone-event\/8000/i.exec(line)?.[1])
    .find((type) => type !== undefined);
  const isDirection = (line: string) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.exec(line)?.[1];
  const direction =
    [...media, ...session].map(isDirection).find((value) => value !== undefined) ?? "sendrecv";
  return {
    host: connection?.split(" ")[2] ?? "",
    port: Number(port),
    payloadTypes,
    codecs: payloadTypes.flatMap((type): Codec[] => (type === 0 ? ["PCMU"] : type === 8 ? ["PCMA"] : [])),
    ...(events !== undefined && { events: Number(events) }),
    direction: direction as Direction,
  };
}

/** What to answer to a direction offered (RFC 3264 §6.1). */
export const answerDirection: Readonly<Record<Direction, Direction>> = {
  sendrecv: "sendrecv",
  sendonly: "recvonly",
  recvonly: "sendonly",
  inactive: "inactive",
};
