/** A SIP message as the phone sees it: written apart from the product's parser, so that it can judge it. */
export type SipMessage = SipRequest | SipResponse;

interface Common {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}
export interface SipRequest extends Common {
  readonly kind: "request";
  readonly method: string;
  readonly uri: string;
}
export interface SipResponse extends Common {
  readonly kind: "response";
  readonly status: number;
  readonly reason: string;
}

/** RFC 3261 §7.3.3 and later compact forms. */
const COMPACT: Readonly<Record<string, string>> = {
  v: "via",
  f: "from",
  t: "to",
  i: "call-id",
  m: "contact",
  l: "content-length",
  c: "content-type",
  e: "content-encoding",
  k: "supported",
  s: "subject",
  r: "refer-to",
  o: "event",
  u: "allow-events",
};
/** Headers whose values may share a line, separated by commas. */
const LISTS = new Set(["via", "route", "record-route", "contact", "allow", "supported", "require"]);

const canonical = (name: string): string => COMPACT[name.toLowerCase()] ?? name.toLowerCase();

/**
 * Reads one message.
 *
 * @throws Error naming the first thing that is wrong
 */
export function parseSip(text: string): SipMessage {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) throw new Error("no empty line after the headers");
  const [startLine = "", ...lines] = text
    .slice(0, end)
    .replace(/\r\n[ \t]+/g, " ")
    .split("\r\n");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    if (colon <= 0) throw new Error(`header without a colon: ${line}`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const;
  });
  const body = text.slice(end + 4);
  const response = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(startLine);
  if (response)
    return { kind: "response", status: Number(response[1]), reason: response[2] ?? "", headers, body };
  const request = /^([A-Z]+) (\S+) SIP\/2\.0$/.exec(startLine);
  if (!request) throw new Error(`neither a request nor a status line: ${startLine}`);
  return { kind: "request", method: request[1] ?? "", uri: request[2] ?? "", headers, body };
}

/** Writes a message; Content-Length is its own business. */
export function formatSip(message: SipMessage): string {
  const start =
    message.kind === "request"
      ? `${message.method} ${message.uri} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`;
  const lines = message.headers.map(([name, value]) => `${name}: ${value}`);
  return [start, ...lines, `Content-Length: ${Buffer.byteLength(message.body)}`, "", message.body].join(
    "\r\n",
  );
}

/** Every value of a header, comma lists split. */
export function valuesOf({ headers }: Common, name: string): string[] {
  const wanted = canonical(name);
  const values = headers.filter(([key]) => canonical(key) === wanted).map(([, value]) => value);
  return LISTS.has(wanted) ? values.flatMap(splitList) : values;
}

/** The first value of a header, or undefined. */
export const valueOf = (message: Common, name: string): string | undefined => valuesOf(message, name)[0];

/** The value of a header that must be there. */
export function requiredValue(message: Common, name: string): string {
  const value = valueOf(message, name);
  if (value === undefined) throw new Error(`message has no ${name} header`);
  return value;
}

/** `;name=value` of a header value, quotes taken off. */
export function parameterOf(value: string, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}\\s*=\\s*("(?:[^"\\\\]|\\\\.)*"|[^;,\\s]+)`, "i").exec(
    value.replace(/<[^>]*>/, ""),
  );
  return match?.[1]?.replace(/^"|"$/g, "");
}

/** The URI of a name-addr or addr-spec. */
export const uriOf = (value: string): string =>
  /<([^>]*)>/.exec(value)?.[1] ?? value.split(";")[0]?.trim() ?? "";

/** Host and port of a sip: URI; 5060 when it names none. */
export function hostPortOf(uri: string): { host: string; port: number } | undefined {
  const match = /^sips?:(?:[^@]*@)?(\[[^\]]+\]|[^:;?>]+)(?::(\d+))?/.exec(uri);
  if (!match) return undefined;
  return { host: (match[1] ?? "").replace(/^\[|\]$/g, ""), port: Number(match[2] ?? 5060) };
}

/** The message in one line, for errors. */
export const summaryOf = (message: SipMessage): string =>
  message.kind === "request" ? `${message.method} ${message.uri}` : `${message.status} ${message.reason}`;

function splitList(value: string): string[] {
  const parts: string[] = [];
  let [start, quoted, angle] = [0, false, false];
  for (let i = 0; i < value.length; i++) {
    const char = value[i];
    if (char === '"' && value[i - 1] !== "\\") quoted = !quoted;
    else if (!quoted && char === "<") angle = true;
    else if (!quoted && char === ">") angle = false;
    else if (!quoted && !angle && char === ",") {
      parts.push(value.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push(value.slice(start).trim());
  return parts.filter(Boolean);
}
