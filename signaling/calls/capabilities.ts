import type { SipMessage } from "#signaling/edge/message/message.ts";
import { ALLOW_EVENTS, CONTENT_TYPES } from "./subscription/event-package.ts";
import { SDP } from "./call/effect.ts";

/** Methods that call control answers; ACK and CANCEL are the edge's. */
export const METHODS = [
  "INVITE",
  "ACK",
  "CANCEL",
  "BYE",
  "OPTIONS",
  "REGISTER",
  "MESSAGE",
  "INFO",
  "UPDATE",
  "PRACK",
  "SUBSCRIBE",
  "PUBLISH",
  "REFER",
] as const;

const IN_DIALOG_ONLY: ReadonlySet<string> = new Set(["BYE", "INFO", "UPDATE", "PRACK"]);
/** Option tags that a request may require (RFC 3261 §8.2.2.3). */
const SUPPORTED: ReadonlySet<string> = new Set([
  "outbound",
  "100rel",
  "timer",
  "replaces",
  "norefersub",
  "gruu",
  "path",
]);

export type HeaderList = readonly (readonly [string, string])[];

export const ALLOW: HeaderList = [["Allow", METHODS.join(", ")]];

/** What we can do, for OPTIONS (RFC 3261 §11.2). */
export const CAPABILITIES: HeaderList = [
  ...ALLOW,
  ...ALLOW_EVENTS,
  ["Accept", `${SDP}, application/dtmf-relay, application/dtmf, text/plain, ${CONTENT_TYPES.presence}`],
  ["Accept-Encoding", "identity"],
  ["Accept-Language", "en"],
  ["Supported", [...SUPPORTED].join(", ")],
];

export interface Refused {
  readonly status: number;
  readonly headers: HeaderList;
}

/** What every request must pass before its method is looked at (RFC 3261 §8.2). */
export function inspect(message: SipMessage, dialog: boolean): Refused | undefined {
  const { method } = message;
  if (!(METHODS as readonly string[]).includes(method)) return { status: 405, headers: ALLOW };
  // A referral outside a call would be a call that nobody asked for by INVITE (RFC 3515 §2.4.2).
  if (method === "REFER" && !dialog) return { status: 403, headers: [] };
  const unsupported = [...message.headers("require"), ...message.headers("proxy-require")].filter(
    (tag) => !SUPPORTED.has(tag.toLowerCase()),
  );
  if (unsupported.length > 0)
    return { status: 420, headers: [["Unsupported", unsupported.join(", ").slice(0, 256)]] };
  if (!dialog && (IN_DIALOG_ONLY.has(method) || message.to.tag !== undefined))
    return { status: 481, headers: [] };
  if (message.hasBody && (message.header("content-encoding") ?? "identity").toLowerCase() !== "identity")
    return { status: 415, headers: [["Accept-Encoding", "identity"]] };
  const describes = method === "INVITE" || method === "UPDATE" || method === "PRACK";
  if (describes && message.hasBody && message.contentType !== SDP)
    return { status: 415, headers: [["Accept", SDP]] };
  return undefined;
}
