import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { utf8ToBytes } from "./grammar.ts";
import { headerKey } from "./header-name.ts";
import type { SipMessage } from "./message.ts";
import { reasonPhrase } from "./reason-phrase.ts";

export type HeaderList = readonly (readonly [name: string, value: string])[];

export interface RequestParts {
  readonly method: string;
  readonly uri: string;
  /** All headers but Content-Type and Content-Length, in the order they are to have. */
  readonly headers: HeaderList;
  /** Characters are bytes: pass text through `utf8ToBytes`. */
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
}

export interface ResponseParts {
  readonly status: number;
  readonly reason?: string | undefined;
  /** Added to To when the request had none (RFC 3261 §8.2.6.2). */
  readonly toTag?: string | undefined;
  /** Further headers, behind those copied from the request. */
  readonly headers?: HeaderList | undefined;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
}

/**
 * Writes a request. Header order is kept; Content-Length is in bytes.
 *
 * @throws CrossbandError HEADER_INVALID when a name, value or start-line part holds CR, LF or NUL
 */
export function buildRequest(parts: RequestParts): string {
  const start = `${parts.method} ${parts.uri} SIP/2.0`;
  if (/[\r\n\0]/.test(start) || /\s/.test(parts.uri) || !NAME.test(parts.method)) throw invalid("start line");
  return `${start}\r\n${writeHeaders(parts.headers)}${writeBody(parts.body, parts.contentType)}`;
}

/**
 * Writes the response to a request: Via, From, To, Call-ID, CSeq and, where a dialog may begin, Record-Route are copied
 * (RFC 3261 §8.2.6, §12.1.1); Timestamp too in a 100.
 *
 * @throws CrossbandError HEADER_INVALID, see `buildRequest`
 */
export function buildResponse(request: SipMessage, parts: ResponseParts): string {
  const reason = parts.reason ?? reasonPhrase(parts.status);
  if (/[\r\n\0]/.test(reason) || !Number.isInteger(parts.status) || parts.status < 100 || parts.status > 699)
    throw invalid("start line");
  let text = `SIP/2.0 ${parts.status} ${asBytes(reason)}\r\n`;
  for (const via of request.headers("via")) text += `Via: ${via}\r\n`;
  if (parts.status > 100 && parts.status < 300)
    for (const route of request.headers("record-route")) text += `Record-Route: ${route}\r\n`;
  text += `From: ${request.header("from") ?? ""}\r\nTo: ${taggedTo(request, parts)}\r\n`;
  text += `Call-ID: ${request.callId}\r\nCSeq: ${request.header("cseq") ?? ""}\r\n`;
  const timestamp = parts.status === 100 ? request.header("timestamp") : undefined;
  if (timestamp !== undefined) text += `Timestamp: ${timestamp}\r\n`;
  return `${text}${writeHeaders(parts.headers ?? [])}${writeBody(parts.body, parts.contentType)}`;
}

/** Checks one header value that comes from outside this tier. */
export function assertHeader(name: string, value: string): void {
  if (!NAME.test(name) || /[\r\n\0]/.test(value)) throw invalid(NAME.test(name) ? name : "name");
}

const NAME = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

function taggedTo(request: SipMessage, parts: ResponseParts): string {
  const to = request.header("to") ?? "";
  if (parts.toTag === undefined || request.to.tag !== undefined) return to;
  if (!NAME.test(parts.toTag)) throw invalid("To");
  return `${to};tag=${parts.toTag}`;
}

function writeHeaders(headers: HeaderList): string {
  let text = "";
  for (const [name, value] of headers) {
    assertHeader(name, value);
    const key = headerKey(name);
    // Written below, from the body itself.
    if (key === "content-length" || key === "content-type") throw invalid(name);
    text += `${name}: ${asBytes(value)}\r\n`;
  }
  return text;
}

function writeBody(body = "", contentType?: string): string {
  const bytes = asBytes(body);
  if (contentType !== undefined) assertHeader("Content-Type", contentType);
  const type = contentType === undefined || bytes === "" ? "" : `Content-Type: ${contentType}\r\n`;
  return `${type}Content-Length: ${bytes.length}\r\n\r\n${bytes}`;
}

/** Text with a character above a byte cannot be bytes already: it is written as UTF-8. */
const asBytes = (text: string): string => (/[^\0-\xff]/.test(text) ? utf8ToBytes(text) : text);

const invalid = (header: string): CrossbandError =>
  new CrossbandError(ErrorCode.HeaderInvalid, "header may not be written", { header });
