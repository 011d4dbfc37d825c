import { formatParams, parseParams, quote, skipQuoted, unquote, type Params } from "./grammar.ts";
import { parseUri, type SipUri } from "./uri.ts";

/** A name-addr or addr-spec with its header parameters: From, To, Contact, Route, Record-Route, Refer-To … */
export interface Address {
  /** Without quotes; "" when there is none. Characters are bytes. */
  readonly displayName: string;
  readonly uri: SipUri;
  /** The URI as it came. */
  readonly uriText: string;
  readonly params: Params;
  /** The `tag` parameter. */
  readonly tag: string | undefined;
}

const UNQUOTED_NAME = /^[A-Za-z0-9\-.!%*_+`'~\x80-\xff]+(?:\s+[A-Za-z0-9\-.!%*_+`'~\x80-\xff]+)*$/;

/** Parses one address. Undefined when it breaks RFC 3261 §20.10 or its URI is malformed. */
export function parseAddress(text: string): Address | undefined {
  const value = text.trim();
  const nameEnd = value.startsWith('"') ? skipQuoted(value, 0) : 0;
  if (nameEnd === -1) return undefined;
  const open = value.indexOf("<", nameEnd);
  if (open === -1) return nameEnd === 0 ? bareAddress(value) : undefined;
  const close = value.indexOf(">", open);
  if (close === -1) return undefined;
  const name = value.slice(0, open).trim();
  if (!name.startsWith('"') && name !== "" && !UNQUOTED_NAME.test(name)) return undefined;
  const displayName = unquote(name);
  if (displayName === undefined) return undefined;
  return finish(displayName, value.slice(open + 1, close), value.slice(close + 1));
}

/** Writes an address in the name-addr form. */
export function formatAddress(
  uri: string,
  displayName = "",
  params: Iterable<readonly [string, string]> = [],
): string {
  return `${displayName === "" ? "" : `${quote(displayName)} `}<${uri}>${formatParams(params)}`;
}

/** Without angle brackets, parameters belong to the header and the URI may hold no comma, question mark or semicolon (§20.10). */
function bareAddress(value: string): Address | undefined {
  const semicolon = value.indexOf(";");
  const uri = (semicolon === -1 ? value : value.slice(0, semicolon)).trimEnd();
  if (/[,?]/.test(uri)) return undefined;
  return finish("", uri, semicolon === -1 ? "" : value.slice(semicolon));
}

function finish(displayName: string, uriText: string, paramText: string): Address | undefined {
  const uri = parseUri(uriText);
  const params = parseParams(paramText);
  if (!uri || !params) return undefined;
  return { displayName, uri, uriText, params, tag: params.get("tag") };
}
