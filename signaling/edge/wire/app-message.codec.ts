import { parseAddress } from "#signaling/edge/message/address.ts";
import { formatUri } from "#signaling/edge/message/uri.ts";

/**
 * A message as an application hands it over: not yet SIP. The start line may hold a placeholder, mandatory headers are
 * missing, names are lower case, and Content-Length counts characters, so it is not read: the frame says where the body ends.
 */
export interface AppMessage {
  readonly kind: "request" | "response";
  readonly method: string;
  readonly uri: string;
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly contentType: string | undefined;
  readonly body: string;
}

const MAX_HEADERS = 256;
/** Hosts that stand for "this server" in what applications write. */
const PLACEHOLDER_HOSTS: ReadonlySet<string> = new Set(["localhost", "placeholder"]);

/** Takes an application's message apart. Undefined when it is malformed. */
export function parseAppMessage(text: string): AppMessage | undefined {
  const blank = text.indexOf("\r\n\r\n");
  const head = blank === -1 ? text : text.slice(0, blank);
  const body = blank === -1 ? "" : text.slice(blank + 4);
  const [start = "", ...lines] = head.split("\r\n", MAX_HEADERS + 1);
  const request = /^([A-Z]{2,32}) (\S+) SIP\/2\.0$/.exec(start);
  const response = /^SIP\/2\.0 ([1-6]\d\d)(?: (.*))?$/.exec(start);
  if (!request && !response) return undefined;
  const headers: (readonly [string, string])[] = [];
  let contentType: string | undefined;
  for (const line of lines) {
    if (line === "") continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    if (colon < 1 || /[\r\n\0]/.test(line)) return undefined;
    const key = name.toLowerCase();
    if (key === "content-type") contentType = value;
    else if (key !== "content-length") headers.push([name, value]);
  }
  return {
    kind: request ? "request" : "response",
    method: request?.[1] ?? "",
    uri: request?.[2] ?? "",
    status: Number(response?.[1] ?? 0),
    reason: response?.[2] ?? "",
    headers,
    contentType,
    body,
  };
}

/** First value of a header, by any case. */
export const appHeader = (message: AppMessage, name: string): string | undefined =>
  message.headers.find(([given]) => given.toLowerCase() === name)?.[1];

/** An application's From or To as name-addr without tag, its placeholder host replaced. Undefined when malformed. */
export function ownAddress(value: string, advertised: string): string | undefined {
  const address = parseAddress(value);
  if (!address) return undefined;
  const { uri, displayName } = address;
  const [, host = "", port] = /^(.*?)(?::(\d+))?$/.exec(advertised) ?? [];
  const own = PLACEHOLDER_HOSTS.has(uri.host)
    ? { ...uri, host: host.replace(/^\[|\]$/g, ""), port: port === undefined ? undefined : Number(port) }
    : uri;
  const name = displayName === "" ? "" : `"${displayName.replace(/[\\"]/g, "\\$&")}" `;
  const text = own === uri ? address.uriText : formatUri(own);
  const params = [...address.params].filter(([key]) => key !== "tag");
  return `${name}<${text}>${params.map(([key, param]) => (param === "" ? `;${key}` : `;${key}=${param}`)).join("")}`;
}
