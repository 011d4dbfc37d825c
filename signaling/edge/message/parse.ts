import { splitOutside, TOKEN } from "./grammar.ts";
import { headerSpelling } from "./header-name.ts";
import { parseCSeq, SipMessage, type StartLine } from "./message.ts";
import { scan, type HeaderIndex } from "./scan.ts";
import { parseUri } from "./uri.ts";

export interface ParseLimits {
  readonly maxMessageBytes: number;
  readonly maxHeaders: number;
  readonly maxLineBytes: number;
  readonly maxVias: number;
}

export const DEFAULT_LIMITS: ParseLimits = {
  maxMessageBytes: 65_535,
  maxHeaders: 256,
  maxLineBytes: 8_192,
  maxVias: 70,
};

export interface ParseOptions {
  readonly limits?: ParseLimits;
  /** True on stream transports, where the length of a message comes from Content-Length alone (RFC 3261 §18.3). */
  readonly stream?: boolean;
  /** Where the packet came from: a request's top Via is given `received` and `rport` (RFC 3261 §18.2.1, RFC 3581 §4). */
  readonly source?: { readonly host: string; readonly port: number };
}

export interface ParseFailure {
  readonly ok: false;
  /** What a request would be answered with. */
  readonly status: number;
  readonly reason: string;
  /** What could be read of it; undefined when not even a start line. Its typed getters may throw. */
  readonly message?: SipMessage;
}
export type ParseResult = { readonly ok: true; readonly message: SipMessage } | ParseFailure;

/** RFC 3261 §8.1.1: in every message; Max-Forwards too, but older peers leave it out. */
const MANDATORY = ["via", "from", "to", "call-id", "cseq"] as const;
/** Headers that may appear once (RFC 3261 §7.3.1); a second one is how parsers are played against each other. */
const SINGLE = [
  "from",
  "to",
  "call-id",
  "cseq",
  "content-length",
  "max-forwards",
  "content-type",
  "expires",
] as const;

/**
 * Parses one message: `text` holds its bytes as latin1 characters, all of a datagram or one message cut from a stream.
 * Never throws. Time is linear in the length of the text.
 */
export function parseMessage(text: string, options: ParseOptions = {}): ParseResult {
  const limits = options.limits ?? DEFAULT_LIMITS;
  if (text.length > limits.maxMessageBytes) return { ok: false, status: 513, reason: "Message Too Large" };
  const scanned = scan(text, limits);
  const start = parseStartLine(scanned.startLine, scanned.index);
  if (!start) return { ok: false, status: 400, reason: "Bad Start Line" };
  const message = new SipMessage(text, start.line, scanned.index);
  const fail = (status: number, reason: string): ParseFailure => ({ ok: false, status, reason, message });
  if (!scanned.ok) return fail(scanned.status, scanned.reason);
  if (start.problem) return fail(start.problem.status, start.problem.reason);
  const problem = checkHeaders(message, scanned.index, limits);
  if (problem !== undefined) return fail(400, problem);
  const length = checkLength(message, scanned.index, text.length, options.stream === true);
  if (typeof length === "string") return fail(400, length);
  const stamped =
    options.source && start.line.kind === "request"
      ? stampVia(text, message, start.line, scanned.index.endingAt(length), options.source)
      : undefined;
  // Whoever reads a message relies on its Via, so what was written into it is read back here.
  if (stamped) return stamped.hasSoundVia ? { ok: true, message: stamped } : fail(400, "Bad Via");
  return {
    ok: true,
    message:
      length === text.length ? message : new SipMessage(text, start.line, scanned.index.endingAt(length)),
  };
}

interface StartLineResult {
  readonly line: StartLine;
  readonly problem?: { readonly status: number; readonly reason: string };
}

function parseStartLine(text: string, index: HeaderIndex): StartLineResult | undefined {
  if (text.startsWith("SIP/")) {
    const match = /^SIP\/2\.0 ([1-6]\d\d)(?: (.*))?$/i.exec(text);
    if (!match) return undefined;
    const method = parseCSeq(index.first("cseq") ?? "")?.method ?? "";
    return { line: { kind: "response", method, uri: "", status: Number(match[1]), reason: match[2] ?? "" } };
  }
  const first = text.indexOf(" ");
  const last = text.lastIndexOf(" ");
  const method = text.slice(0, first);
  if (first < 1 || !TOKEN.test(method)) return undefined;
  const uri = text.slice(first + 1, Math.max(first + 1, last)).trim();
  const line: StartLine = { kind: "request", method, uri, status: 0, reason: "" };
  const version = text.slice(last + 1);
  if (!/^SIP\/\d+\.\d+$/i.test(version)) return { line, problem: { status: 400, reason: "Bad Start Line" } };
  if (!/^SIP\/2\.0$/i.test(version))
    return { line, problem: { status: 505, reason: "Version Not Supported" } };
  if (text.length !== method.length + uri.length + version.length + 2)
    return { line, problem: { status: 400, reason: "Extra Space in Start Line" } };
  if (!parseUri(uri)) return { line, problem: { status: 400, reason: "Bad Request-URI" } };
  return { line };
}

/** Checks everything that the typed getters promise, which keep what is parsed here. Returns the reason of a refusal. */
function checkHeaders(message: SipMessage, index: HeaderIndex, limits: ParseLimits): string | undefined {
  for (const key of SINGLE) {
    const at = index.find(key);
    if (at !== -1 && index.find(key, at + 1) !== -1) return `Repeated ${headerSpelling(key)}`;
  }
  for (const key of MANDATORY) if (index.find(key) === -1) return `Missing ${headerSpelling(key)}`;
  const callId = index.first("call-id") ?? "";
  if (callId === "" || /[\s\0]/.test(callId)) return "Bad Call-ID";
  if (index.holdsStrayNul) return "Stray NUL";
  const bad = message.firstMalformed();
  if (bad !== undefined) return `Bad ${headerSpelling(bad)}`;
  if (message.kind === "request" && message.cseq.method !== message.method) return "CSeq Method Mismatch";
  if (message.viaCount > limits.maxVias) return "Too Many Via";
  const maxForwards = index.first("max-forwards");
  if (maxForwards !== undefined && !/^\d{1,4}$/.test(maxForwards)) return "Bad Max-Forwards";
  return undefined;
}

/** Returns where the body ends, or the reason phrase of a refusal (RFC 3261 §18.3). */
function checkLength(
  message: SipMessage,
  index: HeaderIndex,
  total: number,
  stream: boolean,
): number | string {
  const value = message.header("content-length");
  if (value === undefined) return stream ? "Missing Content-Length" : total;
  if (!/^\d{1,9}$/.test(value)) return "Bad Content-Length";
  const end = index.bodyStart + Number(value);
  return end > total ? "Body Shorter Than Content-Length" : end;
}

/** What a sender has no say in; the first alternative passes over quoted parameters, which may hold anything. */
const FILLED_IN =
  /"(?:[^"\\]|\\.)*"|;\s*(?:received|rport)\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^;,\s"]*))?(?=\s*(?:[;,]|$))/gis;

/** Writes `received` and `rport` into the top Via. Undefined when nothing is to be written. */
function stampVia(
  text: string,
  message: SipMessage,
  start: StartLine,
  index: HeaderIndex,
  source: { readonly host: string; readonly port: number },
): SipMessage | undefined {
  const via = message.topVia;
  const wantsPort = via.rport !== undefined;
  if (!wantsPort && via.host === source.host) return undefined;
  const line = index.find("via");
  const [from, to] = index.span(line);
  const value = text.slice(from, to);
  const topEnd = endOfFirst(value);
  let top = value.slice(0, topEnd).replace(FILLED_IN, (found) => (found.startsWith('"') ? found : ""));
  top = `${top.trimEnd()};received=${source.host}${wantsPort ? `;rport=${source.port}` : ""}`;
  const stamped = `${text.slice(0, from)}${top}${value.slice(topEnd)}${text.slice(to)}`;
  return new SipMessage(stamped, start, index.respliced(stamped, line, top.length - topEnd));
}

/** Where the first value of a Via line ends; quotes are rare but legal in extension parameters. */
function endOfFirst(value: string): number {
  const first = splitOutside(value, ",")?.[0];
  if (first === undefined) return value.length;
  return value.indexOf(first) + first.length;
}
