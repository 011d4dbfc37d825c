/** RFC 3261 §25.1 token. */
export const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

/** Parameters of a header or URI: lower-case names; "" for a parameter without a value. */
export type Params = ReadonlyMap<string, string>;

export const NO_PARAMS: Params = new Map();

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Index just behind the quoted string that opens at `from`, or -1 when it never closes. */
export function skipQuoted(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i + 1;
  }
  return -1;
}

/** Splits at a separator that is outside quotes and angle brackets. Undefined when a quote or bracket never closes. */
export function splitOutside(text: string, separator: "," | ";"): string[] | undefined {
  if (!text.includes(separator)) return [text.trim()];
  const parts: string[] = [];
  let start = 0;
  let inAngle = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"' && !inAngle) {
      i = skipQuoted(text, i) - 1;
      if (i < 0) return undefined;
    } else if (char === "<") inAngle = true;
    else if (char === ">") inAngle = false;
    else if (char === separator && !inAngle) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  if (inAngle) return undefined;
  parts.push(text.slice(start).trim());
  return parts;
}

/**
 * Parses `;name=value;flag` (the text from the first semicolon on). Values lose their quotes.
 *
 * @returns undefined when a name is missing or no token, or appears twice (RFC 3261 §7.3.1)
 */
export function parseParams(text: string): Params | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return NO_PARAMS;
  if (!trimmed.startsWith(";")) return undefined;
  const only = /^;([A-Za-z0-9\-._]+)=([A-Za-z0-9\-.!%*_+~:]+)$/.exec(trimmed);
  // Nearly every header has one parameter: tag or branch.
  if (only) return new Map([[(only[1] ?? "").toLowerCase(), only[2] ?? ""]]);
  const parts = splitOutside(trimmed.slice(1), ";");
  if (!parts) return undefined;
  const params = new Map<string, string>();
  for (const part of parts) {
    const equals = part.indexOf("=");
    const name = (equals === -1 ? part : part.slice(0, equals)).trimEnd().toLowerCase();
    const value = equals === -1 ? "" : unquote(part.slice(equals + 1).trimStart());
    if (!TOKEN.test(name) || value === undefined || params.has(name)) return undefined;
    params.set(name, value);
  }
  return params;
}

/** Writes parameters back, quoting what is no token or host. */
export function formatParams(params: Iterable<readonly [string, string]>): string {
  let text = "";
  for (const [name, value] of params)
    text += value === "" ? `;${name}` : `;${name}=${/^[^\s";,<>=?\\]+$/.test(value) ? value : quote(value)}`;
  return text;
}

/** The content of a quoted string; unquoted text as it is; undefined when quotes are unbalanced or text follows them. */
export function unquote(text: string): string | undefined {
  if (!text.startsWith('"')) return text.includes('"') ? undefined : text;
  if (skipQuoted(text, 0) !== text.length) return undefined;
  return text.slice(1, -1).replace(/\\([\s\S])/g, "$1");
}

/** A quoted string (RFC 3261 §25.1). */
export const quote = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`;

/** Text as SIP carries it: one character for each byte of its UTF-8 form. */
export const utf8ToBytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

/** The text in a message body or header, whose characters are bytes. Bytes that are no UTF-8 become U+FFFD. */
export const bytesToUtf8 = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");
