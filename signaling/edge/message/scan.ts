import { headerKey } from "./header-name.ts";

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

export interface ScanLimits {
  readonly maxHeaders: number;
  readonly maxLineBytes: number;
}

/** Where the headers of a message are: filled in one pass, values are cut out when asked for. */
export class HeaderIndex {
  private readonly text: string;
  /** Parallel arrays, one entry a header line: key, start of line, start and end of value. */
  private readonly keys: string[];
  private readonly nameStarts: number[];
  private readonly starts: number[];
  private readonly ends: number[];
  readonly bodyStart: number;
  readonly bodyEnd: number;

  constructor(
    text: string,
    keys: string[],
    nameStarts: number[],
    starts: number[],
    ends: number[],
    bodyStart: number,
    bodyEnd: number,
  ) {
    this.text = text;
    this.keys = keys;
    this.nameStarts = nameStarts;
    this.starts = starts;
    this.ends = ends;
    this.bodyStart = bodyStart;
    this.bodyEnd = bodyEnd;
  }

  /** True when there is a NUL in the headers other than in a quoted-pair (RFC 3261 §25.1). */
  get holdsStrayNul(): boolean {
    for (
      let at = this.text.indexOf("\0");
      at !== -1 && at < this.bodyStart;
      at = this.text.indexOf("\0", at + 1)
    )
      if (this.text[at - 1] !== "\\") return true;
    return false;
  }

  /** Index of the first line with this key, -1 when there is none. */
  find(key: string, from = 0): number {
    return this.keys.indexOf(key, from);
  }

  first(key: string): string | undefined {
    const i = this.keys.indexOf(key);
    return i === -1 ? undefined : this.value(i);
  }

  all(key: string): string[] {
    const values: string[] = [];
    for (let i = this.keys.indexOf(key); i !== -1; i = this.keys.indexOf(key, i + 1))
      values.push(this.value(i));
    return values;
  }

  lines(): (readonly [string, string])[] {
    return this.keys.map((_, i) => [
      this.text.slice(this.nameStarts[i], this.text.indexOf(":", this.nameStarts[i])).trimEnd(),
      this.value(i),
    ]);
  }

  /** Start and end of a line's value in the text. */
  span(line: number): readonly [start: number, end: number] {
    return [this.starts[line] ?? 0, this.ends[line] ?? 0];
  }

  /** The same index over a text in which `span` was replaced by `replacement`, and whose body ends at `bodyEnd`. */
  respliced(text: string, line: number, growth: number): HeaderIndex {
    const [, end] = this.span(line);
    const moved = (offsets: number[]): number[] =>
      offsets.map((offset) => (offset >= end ? offset + growth : offset));
    return new HeaderIndex(
      text,
      this.keys,
      moved(this.nameStarts),
      moved(this.starts),
      moved(this.ends),
      this.bodyStart + growth,
      this.bodyEnd + growth,
    );
  }

  /** The same index with another end of body. */
  endingAt(bodyEnd: number): HeaderIndex {
    return new HeaderIndex(
      this.text,
      this.keys,
      this.nameStarts,
      this.starts,
      this.ends,
      this.bodyStart,
      bodyEnd,
    );
  }

  /** A line's value, unfolded. */
  value(line: number): string {
    const raw = this.text.slice(this.starts[line], this.ends[line]);
    return raw.includes("\r\n") ? raw.replace(/[ \t]*\r\n[ \t]+/g, " ").trim() : raw;
  }
}

export type Scan =
  | { readonly ok: true; readonly startLine: string; readonly index: HeaderIndex }
  | {
      readonly ok: false;
      readonly status: number;
      readonly reason: string;
      readonly startLine: string;
      readonly index: HeaderIndex;
    };

/**
 * Finds the header lines of a message in one pass. Always returns an index of what it found before it stopped, so that a
 * malformed request can still be answered.
 */
export function scan(text: string, limits: ScanLimits): Scan {
  const keys: string[] = [];
  const nameStarts: number[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  const length = text.length;
  const lineEnd = text.indexOf("\r\n");
  const startLine = lineEnd === -1 ? "" : text.slice(0, lineEnd);
  const index = (bodyStart: number): HeaderIndex =>
    new HeaderIndex(text, keys, nameStarts, starts, ends, bodyStart, length);
  const fail = (reason: string, status = 400): Scan => ({
    ok: false,
    status,
    reason,
    startLine,
    index: index(length),
  });
  if (lineEnd === -1) return fail("no line end");
  if (lineEnd > limits.maxLineBytes) return fail("start line too long", 414);
  if (hasLineBreak(startLine)) return fail("stray line break");
  let at = lineEnd + 2;
  let lf = text.indexOf("\n", at);
  let cr = text.indexOf("\r", at);
  for (;;) {
    if (at >= length) return fail("no blank line behind the headers");
    // A line ends with CRLF that no white space follows; any other CR or LF would let a value pass for two headers further on.
    let folded = false;
    while (cr !== -1 && lf === cr + 1 && cr !== at && isBlank(text.charCodeAt(lf + 1))) {
      folded = true;
      cr = text.indexOf("\r", lf);
      lf = text.indexOf("\n", lf + 1);
    }
    if (cr === -1 || lf !== cr + 1)
      return fail(cr === -1 && lf === -1 ? "header without line end" : "stray line break");
    if (cr === at) return { ok: true, startLine, index: index(at + 2) };
    if (keys.length >= limits.maxHeaders) return fail("too many headers", 513);
    if (cr - at > limits.maxLineBytes) return fail("header too long", 513);
    let nameEnd = at;
    while (isTokenCode(text.charCodeAt(nameEnd))) nameEnd++;
    let start = nameEnd;
    while (isBlank(text.charCodeAt(start))) start++;
    if (nameEnd === at || text.charCodeAt(start) !== COLON) return fail("header name is no token");
    start++;
    while (start < cr && (folded ? isLws : isBlank)(text.charCodeAt(start))) start++;
    let stop = cr;
    while (stop > start && (folded ? isLws : isBlank)(text.charCodeAt(stop - 1))) stop--;
    keys.push(headerKey(text.slice(at, nameEnd)));
    nameStarts.push(at);
    starts.push(start);
    ends.push(stop);
    at = lf + 1;
    cr = text.indexOf("\r", at);
    lf = text.indexOf("\n", at);
  }
}

const isBlank = (code: number): boolean => code === SPACE || code === TAB;
const isLws = (code: number): boolean => code === SPACE || code === TAB || code === CR || code === LF;
const hasLineBreak = (text: string): boolean => text.includes("\r") || text.includes("\n");

/** RFC 3261 §25.1 token, by character code. */
const TOKEN_CODES: readonly boolean[] = Array.from({ length: 256 }, (_, code) =>
  /[A-Za-z0-9\-.!%*_+`'~]/.test(String.fromCharCode(code)),
);
const isTokenCode = (code: number): boolean => TOKEN_CODES[code] === true;
