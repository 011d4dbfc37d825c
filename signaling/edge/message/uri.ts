import { formatParams, NO_PARAMS, parseParams, TOKEN, type Params } from "./grammar.ts";

/** A URI in a SIP message. `sip` and `sips` are taken apart; `tel` gives its number as `user`; others are kept in `opaque`. */
export interface SipUri {
  /** Lower case. */
  readonly scheme: string;
  /** Without escapes. Undefined when there is none. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Lower case; IPv6 without brackets. "" for schemes other than sip and sips. */
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Params;
  /** What follows `?`, as it came. */
  readonly headers: string;
  /** What follows the scheme, for schemes other than sip, sips and tel. */
  readonly opaque: string;
}

const SIP = /^(sips?):(?:([^@]*)@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?(;[^?]*)?(\?.*)?$/i;
const TEL = /^tel:(\+?[0-9a-f*#\-.()]+)(;.*)?$/i;
const OTHER = /^([a-z][a-z0-9+.-]*):(\S+)$/i;
const USER_CHARS = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/#]|%[0-9A-Fa-f]{2})*$/;

/** What nearly every URI is made of; the rest takes the slower way. */
const PLAIN = /^(sips?):(?:([A-Za-z0-9\-_.+]+)@)?([A-Za-z0-9.-]+)(?::(\d{1,5}))?$/;

/** Parses an absolute URI. Undefined when it is none, or a SIP URI that breaks RFC 3261 §19.1. */
export function parseUri(text: string): SipUri | undefined {
  const plain = PLAIN.exec(text);
  if (plain) {
    const port = plain[4] === undefined ? undefined : Number(plain[4]);
    if (port !== undefined && port > 65_535) return undefined;
    return {
      scheme: plain[1] ?? "",
      user: plain[2],
      password: undefined,
      host: (plain[3] ?? "").toLowerCase(),
      port,
      params: NO_PARAMS,
      headers: "",
      opaque: "",
    };
  }
  const sip = SIP.exec(text);
  if (sip) return sipUri(sip);
  const tel = TEL.exec(text);
  if (tel) {
    const params = parseParams(tel[2] ?? "");
    return params && { ...bare("tel"), user: tel[1], params };
  }
  const other = OTHER.exec(text);
  if (!other || /^(?:sips?|tel):/i.test(text)) return undefined;
  return { ...bare((other[1] ?? "").toLowerCase()), opaque: other[2] ?? "" };
}

/** Writes a URI, escaping what its user part may not hold. */
export function formatUri(uri: Partial<SipUri> & Pick<SipUri, "scheme">): string {
  const params = formatParams(uri.params ?? NO_PARAMS);
  if (uri.scheme === "tel") return `tel:${uri.user ?? ""}${params}`;
  if (uri.scheme !== "sip" && uri.scheme !== "sips") return `${uri.scheme}:${uri.opaque ?? ""}`;
  const password = uri.password === undefined ? "" : `:${escapeUser(uri.password)}`;
  const user = uri.user === undefined ? "" : `${escapeUser(uri.user)}${password}@`;
  const port = uri.port === undefined ? "" : `:${uri.port}`;
  return `${uri.scheme}:${user}${formatHost(uri.host ?? "")}${port}${params}${uri.headers ?? ""}`;
}

/** A host as URIs and Via write it: IPv6 in brackets. */
export const formatHost = (host: string): string => (host.includes(":") ? `[${host}]` : host);

/** Escapes a user part or password: bytes outside the unreserved set of RFC 3261 §19.1.2 become %HH. */
export const escapeUser = (user: string): string =>
  user.replace(/[^A-Za-z0-9\-_.!~*'()&=+$,/]/g, (char) =>
    [...Buffer.from(char, char.charCodeAt(0) > 0xff ? "utf8" : "latin1")]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );

function sipUri(match: RegExpExecArray): SipUri | undefined {
  const [, scheme = "", userinfo, host = "", port, paramText = "", headers = ""] = match;
  const params = paramText === "" ? NO_PARAMS : uriParams(paramText);
  const number = port === undefined ? undefined : Number(port);
  if (!params || (number !== undefined && number > 65_535)) return undefined;
  let user: string | undefined;
  let password: string | undefined;
  if (userinfo !== undefined) {
    if (userinfo === "") return undefined;
    const colon = userinfo.indexOf(":");
    const userText = colon === -1 ? userinfo : userinfo.slice(0, colon);
    const passwordText = colon === -1 ? "" : userinfo.slice(colon + 1);
    if (!USER_CHARS.test(userText) || !USER_CHARS.test(passwordText)) return undefined;
    user = unescapeBytes(userText);
    if (colon !== -1) password = unescapeBytes(passwordText);
  }
  const name = host.startsWith("[") ? host.slice(1, -1) : host;
  return {
    ...bare(scheme.toLowerCase()),
    user,
    password,
    host: name.toLowerCase(),
    port: number,
    params,
    headers,
  };
}

function uriParams(text: string): Params | undefined {
  const params = new Map<string, string>();
  for (const part of text.slice(1).split(";")) {
    const equals = part.indexOf("=");
    const name = unescapeBytes(equals === -1 ? part : part.slice(0, equals)).toLowerCase();
    if (name === "" || /[\s"<>]/.test(part) || params.has(name)) return undefined;
    params.set(
      TOKEN.test(name) ? name : part.slice(0, equals === -1 ? undefined : equals).toLowerCase(),
      equals === -1 ? "" : part.slice(equals + 1),
    );
  }
  return params;
}

const unescapeBytes = (text: string): string =>
  text.includes("%")
    ? text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
    : text;

const bare = (scheme: string): SipUri => ({
  scheme,
  user: undefined,
  password: undefined,
  host: "",
  port: undefined,
  params: NO_PARAMS,
  headers: "",
  opaque: "",
});
