import { parseParams, type Params } from "./grammar.ts";

/** One hop of the Via list (RFC 3261 §20.42). */
export interface Via {
  /** Upper case: UDP, TCP, TLS, WS, WSS, or what the peer wrote. */
  readonly transport: string;
  /** Sent-by host, IPv6 without brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Params;
  readonly branch: string | undefined;
  readonly received: string | undefined;
  /** RFC 3581: undefined when not asked for, 0 when asked for and not yet filled in. */
  readonly rport: number | undefined;
}

const HEAD =
  /^SIP[ \t]*\/[ \t]*2\.0[ \t]*\/[ \t]*([A-Za-z0-9\-.!%*_+`'~]{1,16})[ \t]+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)[ \t]*(?::[ \t]*(\d{1,5})[ \t]*)?(?=;|$)/i;

/** Parses one Via value. Undefined when it is malformed. */
export function parseVia(text: string): Via | undefined {
  const match = HEAD.exec(text);
  if (!match) return undefined;
  const [head, transport = "", host = "", port] = match;
  const params = parseParams(text.slice(head.length));
  const number = port === undefined ? undefined : Number(port);
  if (!params || (number !== undefined && number > 65_535)) return undefined;
  const rport = params.get("rport");
  if (rport !== undefined && !/^\d{0,5}$/.test(rport)) return undefined;
  return {
    transport: transport.toUpperCase(),
    host: host.startsWith("[") ? host.slice(1, -1) : host,
    port: number,
    params,
    branch: params.get("branch"),
    received: params.get("received"),
    rport: rport === undefined ? undefined : Number(rport),
  };
}
