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
  private parsedVia: readonly Via[] | undefined;
  private parsedFrom: Address | undefined;
  private parsedTo: Address | undefined;
  private parsedCSeq: CSeq | undefined;
  private parsedUri: SipUri | undefined;
  private parsedContacts: readonly Address[] | undefined;
  private parsedRoutes: readonly Address[] | undefined;
  private parsedRecordRoutes: readonly Address[] | undefined;

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
    return must((this.parsedVia ??= this.parseAll("via", parseVia)), "Via");
  }

  get topVia(): Via {
    return must(this.via[0], "Via");
  }

  /** False when the Via list would fail its getter. */
  get hasSoundVia(): boolean {
    return ((this.parsedVia ??= this.parseAll("via", parseVia))?.length ?? 0) > 0;
  }

  get viaCount(): number {
    return this.via.length;
  }

  get from(): Address {
    return must((this.parsedFrom ??= parseAddress(this.index.first("from") ?? "")), "From");
  }

  get to(): Address {
    return must((this.parsedTo ??= parseAddress(this.index.first("to") ?? "")), "To");
  }

  get callId(): string {
    return this.header("call-id") ?? "";
  }

  get cseq(): CSeq {
    return must((this.parsedCSeq ??= parseCSeq(this.index.first("cseq") ?? "")), "CSeq");
  }

  /** Request-URI taken apart; undefined in a response. */
  get requestUri(): SipUri | undefined {
    return (this.parsedUri ??= this.kind === "request" ? parseUri(this.uri) : undefined);
  }

  /** Contact addresses; empty when there is none or it is `*` (see `contactIsWildcard`). */
  get contacts(): readonly Address[] {
    return must((this.parsedContacts ??= this.addresses("contact")), "Contact");
  }

  /** `Contact: *`: all bindings (RFC 3261 §10.2.2). */
  get contactIsWildcard(): boolean {
    return this.header("contact") === "*";
  }

  get routes(): readonly Address[] {
    return must((this.parsedRoutes ??= this.addresses("route")), "Route");
  }

  get recordRoutes(): readonly Address[] {
    return must((this.parsedRecordRoutes ??= this.addresses("record-route")), "Record-Route");
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

  /** The first header that a typed getter would fail on; what is parsed on the way is kept. */
  firstMalformed(): string | undefined {
    if (!(this.parsedVia ??= this.parseAll("via", parseVia))?.length) return "via";
    if (!(this.parsedFrom ??= parseAddress(this.index.first("from") ?? ""))) return "from";
    if (!(this.parsedTo ??= parseAddress(this.index.first("to") ?? ""))) return "to";
    if (!(this.parsedCSeq ??= parseCSeq(this.index.first("cseq") ?? ""))) return "cseq";
    if (!(this.parsedContacts ??= this.addresses("contact"))) return "contact";
    if (!(this.parsedRoutes ??= this.addresses("route"))) return "route";
    if (!(this.parsedRecordRoutes ??= this.addresses("record-route"))) return "record-route";
    return undefined;
  }

  private addresses(key: string): readonly Address[] | undefined {
    if (this.index.find(key) === -1) return NO_ADDRESSES;
    if (key === "contact" && this.contactIsWildcard && this.index.all(key).length === 1) return NO_ADDRESSES;
    return this.parseAll(key, parseAddress);
  }

  /** Every value of a list header; undefined when one of them is malformed. */
  private parseAll<T>(key: string, parse: (text: string) => T | undefined): readonly T[] | undefined {
    const all: T[] = [];
    for (let line = this.index.find(key); line !== -1; line = this.index.find(key, line + 1)) {
      for (const value of splitOutside(this.index.value(line), ",") ?? [""]) {
        const parsed = parse(value);
        if (parsed === undefined) return undefined;
        all.push(parsed);
      }
    }
    return all;
  }

  private number(key: string): number | undefined {
    const value = this.header(key);
    if (value === undefined || !/^\d{1,10}$/.test(value)) return undefined;
    const number = Number(value);
    return number > 0xffff_ffff ? undefined : number;
  }
}

const NO_ADDRESSES: readonly Address[] = [];

/** RFC 3261 §8.1.1.5: the number is below 2^31. */
export function parseCSeq(text: string): CSeq | undefined {
  const match = /^(\d{1,10})[ \t]+([A-Za-z0-9\-.!%*_+`'~]+)$/.exec(text);
  if (!match) return undefined;
  const seq = Number(match[1]);
  return seq >= 2 ** 31 ? undefined : { seq, method: match[2] ?? "" };
}

function must<T>(value: T | undefined, header: string): T {
  if (value === undefined)
    throw new CrossbandError(ErrorCode.MessageMalformed, "header is malformed", { header });
  return value;
}
