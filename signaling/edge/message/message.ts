import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { parseAddress, type Address } from "./address.ts";
import { splitOutside } from "./grammar.ts";
import { headerKey, isListHeader } from "./header-name.ts";
import type { HeaderIndex } from "./scan.ts";
import { parseUri, type SipUri } from "./uri.ts";
import { parseVia, type Via } from "./via.ts";

export interface CSeq {
  readonly seq: number;
  readonly method: string;
}

export interface StartLine {
  readonly kind: "request" | "response";
  /** Of a request; of a response the method in its CSeq. */
  readonly method: string;
  /** Request-URI as it came; "" in a response. */
  readonly uri: string;
  /** 0 in a request. */
  readonly status: number;
  readonly reason: string;
}

/**
 * A SIP message as it came, read-only. Characters are bytes (latin1), so that lengths are string lengths and binary bodies
 * survive. Headers are found by any spelling, and taken apart when first asked for; `parseMessage` has checked those that
 * the typed getters return, so they do not fail on what it accepted.
 */
export class SipMessage implements StartLine {
  readonly kind: "request" | "response";
  readonly method: string;
  readonly uri: string;
  readonly status: number;
  readonly reason: string;
  /** The whole message as it goes over the wire. */
  readonly text: string;
  private readonly index: HeaderIndex;
  private readonly cache = new Map<string, unknown>();

  constructor(text: string, start: StartLine, index: HeaderIndex) {
    this.text = text;
    this.kind = start.kind;
    this.method = start.method;
    this.uri = start.uri;
    this.status = start.status;
    this.reason = start.reason;
    this.index = index;
  }

  /** First value line of a header as it came (unfolded, trimmed), by any spelling of its name. */
  header(name: string): string | undefined {
    return this.index.first(headerKey(name));
  }

  /** All values of a header in order; comma lists are split where its grammar has them. */
  headers(name: string): readonly string[] {
    const key = headerKey(name);
    const lines = this.index.all(key);
    if (!isListHeader(key)) return lines;
    return lines.flatMap((line) => splitOutside(line, ",") ?? [line]);
  }

  /** Every header line in order, names as they were written. */
  headerLines(): readonly (readonly [name: string, value: string])[] {
    return this.index.lines();
  }

  /** The Via list, top first. */
  get via(): readonly Via[] {
    return this.once("via", () => this.headers("via").map((value) => must(parseVia(value), "Via")));
  }

  /** The top Via alone: cheaper than the list. */
  get topVia(): Via {
    return this.once("topVia", () => {
      const line = this.header("via") ?? "";
      return must(parseVia(line.includes(",") ? (splitOutside(line, ",")?.[0] ?? "") : line), "Via");
    });
  }

  get from(): Address {
    return this.once("from", () => must(parseAddress(this.header("from") ?? ""), "From"));
  }

  get to(): Address {
    return this.once("to", () => must(parseAddress(this.header("to") ?? ""), "To"));
  }

  get callId(): string {
    return this.header("call-id") ?? "";
  }

  get cseq(): CSeq {
    return this.once("cseq", () => must(parseCSeq(this.header("cseq") ?? ""), "CSeq"));
  }

  /** Request-URI taken apart; undefined in a response. */
  get requestUri(): SipUri | undefined {
    return this.once("requestUri", () => (this.kind === "request" ? parseUri(this.uri) : undefined));
  }

  /** Contact addresses; empty when there is none or it is `*` (see `contactIsWildcard`). */
  get contacts(): readonly Address[] {
    return this.addresses("contact");
  }

  /** `Contact: *`: all bindings (RFC 3261 §10.2.2). */
  get contactIsWildcard(): boolean {
    return this.header("contact") === "*";
  }

  get routes(): readonly Address[] {
    return this.addresses("route");
  }

  get recordRoutes(): readonly Address[] {
    return this.addresses("record-route");
  }

  get maxForwards(): number | undefined {
    return this.number("max-forwards");
  }

  /** Undefined when missing or no 32-bit number. */
  get expires(): number | undefined {
    return this.number("expires");
  }

  /** Media type in lower case without parameters: `application/sdp`. */
  get contentType(): string | undefined {
    return this.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  }

  get body(): string {
    return this.text.slice(this.index.bodyStart, this.index.bodyEnd);
  }

  get hasBody(): boolean {
    return this.index.bodyEnd > this.index.bodyStart;
  }

  /** True when an option tag is in Supported or Require. */
  supports(option: string): boolean {
    return [...this.headers("supported"), ...this.headers("require")].some(
      (tag) => tag.toLowerCase() === option,
    );
  }

  private addresses(key: string): readonly Address[] {
    return this.once(key, () =>
      this.headers(key)
        .filter((value) => value !== "*")
        .map((value) => must(parseAddress(value), key)),
    );
  }

  private number(key: string): number | undefined {
    const value = this.header(key);
    if (value === undefined || !/^\d{1,10}$/.test(value)) return undefined;
    const number = Number(value);
    return number > 0xffff_ffff ? undefined : number;
  }

  private once<T>(key: string, parse: () => T): T {
    if (this.cache.has(key)) return this.cache.get(key) as T;
    const value = parse();
    this.cache.set(key, value);
    return value;
  }
}

/** RFC 3261 §8.1.1.5: the number is below 2^31. */
export function parseCSeq(text: string): CSeq | undefined {
  const match = /^(\d{1,10})\s+([A-Za-z0-9\-.!%*_+`'~]+)$/.exec(text);
  if (!match) return undefined;
  const seq = Number(match[1]);
  return seq >= 2 ** 31 ? undefined : { seq, method: match[2] ?? "" };
}

function must<T>(value: T | undefined, header: string): T {
  if (value === undefined)
    throw new CrossbandError(ErrorCode.MessageMalformed, "header is malformed", { header });
  return value;
}
