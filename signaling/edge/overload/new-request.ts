import { parseRefusal, refusalTag } from "#signaling/edge/engine/ids.ts";
import { originText } from "#signaling/edge/engine/origin.ts";
import { STATELESS_METHODS, type CallId, type Flow } from "#signaling/sip-port/sip-port.ts";

/** As much of a request outside a dialog as turning it away needs, read without taking it apart. */
export interface NewRequest {
  readonly method: string;
  readonly emergency: boolean;
  /** What it began goes by, as `originOf` of a parsed message. */
  readonly origin: string;
  /** Header lines that a response copies, the source written into the top Via (RFC 3261 §18.2.1, RFC 3581 §4). */
  readonly vias: readonly string[];
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: string;
}

const START = /^(INVITE|REGISTER|SUBSCRIBE|MESSAGE|OPTIONS|PUBLISH) (\S+) SIP\/2\.0$/;
const VIA = /^[^:]+: *SIP\/2\.0\/[A-Z]+ +(\[[^\]]+\]|[^\s:;,]+)(?::(\d{1,5}))?(;[^,]*)$/;
/** No control characters: what a response copies must be fit to be sent. */
const PLAIN = /^[\t\x20-\x7e\x80-\xff]+$/;
const HOP = /^[^:]+: *SIP\/2\.0\/[A-Z]+ +\S/;
const TO_TAG = /^(?:To|t) *:[^\r\n]*;tag=([^;\s]+)/im;
const CSEQ = /^\d{1,10} [A-Z]+$/;
/** Headers longer than this in all are for the parser. */
const MAX_HEAD = 4_096;

/**
 * Reads the head of a plainly written request. Undefined for whatever else: a request in a dialog, a response, folded or
 * compact headers, several values in a Via line, a Via without `rport` over UDP (whose answer goes elsewhere).
 *
 * @param text bytes as latin1 characters
 */
export function readNewRequest(text: string, source: Flow): NewRequest | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1 || end > MAX_HEAD) return undefined;
  const [start = "", ...lines] = text.slice(0, end).split("\r\n");
  const match = START.exec(start);
  if (!match) return undefined;
  const found: Partial<Record<string, string>> = {};
  const vias: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    // One-letter names are compact forms; white space first continues the line before.
    if (name.length < 2 || name.startsWith(" ") || name.startsWith("\t")) return undefined;
    if (name === "via") {
      if (!PLAIN.test(line) || !HOP.test(line)) return undefined;
      vias.push(line);
    } else if (COPIED.has(name)) {
      if (found[name] !== undefined || !PLAIN.test(line)) return undefined;
      found[name] = line;
    }
  }
  const { from, to, "call-id": callId, cseq } = found;
  const top = VIA.exec(vias[0] ?? "");
  if (!top || from === undefined || to === undefined || callId === undefined || cseq === undefined)
    return undefined;
  const [, host = "", port = "", params = ""] = top;
  const branch = /;branch=([^;\s]+)/i.exec(params)?.[1];
  const rport = /;rport(?=;|$)/i.test(params);
  if (/;\s*tag\s*=/i.test(to) || branch === undefined || (source.transport === "udp" && !rport))
    return undefined;
  const method = match[1] ?? "";
  if (!CSEQ.test(valueOf(cseq)) || !valueOf(cseq).endsWith(` ${method}`)) return undefined;
  const tag = /;\s*tag\s*=\s*([^;\s]+)/i.exec(from.slice(from.lastIndexOf(">") + 1))?.[1] ?? "";
  vias[0] = `${(vias[0] ?? "").replace(/;rport(?=;|$)/i, `;rport=${source.port}`)};received=${source.host}`;
  return {
    method,
    emergency: /^urn:service:sos/i.test(match[2] ?? ""),
    origin: STATELESS_METHODS.has(method)
      ? `${branch}|${host.replace(/^\[|\]$/g, "")}:${port}`
      : originText(valueOf(callId), tag, Number.parseInt(valueOf(cseq), 10), match[2] ?? ""),
    vias,
    from,
    to,
    callId,
    cseq,
  };
}

const valueOf = (line: string): string => line.slice(line.indexOf(":") + 1).trim();

const COPIED: ReadonlySet<string> = new Set(["from", "to", "call-id", "cseq"]);

/**
 * 503 with Retry-After (RFC 3261 §21.5.4). The same request is answered alike, so that nothing is kept of it (§8.2.7).
 *
 * @param call what the request begins: its caller's ACK says by the To-tag that it waits for nothing any more
 */
export function unavailable(
  { vias, from, to, callId, cseq }: NewRequest,
  call: CallId,
  retryAfterS: number,
): string {
  return `SIP/2.0 503 Service Unavailable\r\n${vias.join("\r\n")}\r\n${from}\r\n${to};tag=${refusalTag(call)}\r\n${callId}\r\n${cseq}\r\nRetry-After: ${retryAfterS}\r\nReason: SIP;cause=503;text="Overload"\r\nContent-Length: 0\r\n\r\n`;
}

/** The call whose refusal an ACK acknowledges; undefined for any other message. */
export function refusedCall(text: string): CallId | undefined {
  if (!text.startsWith("ACK ")) return undefined;
  return parseRefusal(TO_TAG.exec(text.slice(0, MAX_HEAD))?.[1])?.call;
}
