import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseBranch } from "./ids.ts";
import { ALLOW, KNOWN_METHODS } from "./respond.ts";

export interface Refusal {
  readonly status: number;
  readonly headers?: readonly (readonly [string, string])[];
}

const METHODS: ReadonlySet<string> = new Set(KNOWN_METHODS);
/** Methods that mean nothing outside a dialog (RFC 3261 §15.1.2, 6086 §4.2.2, 3311 §5.2, 3262 §3). */
const IN_DIALOG: ReadonlySet<string> = new Set(["BYE", "INFO", "UPDATE", "PRACK"]);
const SCHEMES: ReadonlySet<string> = new Set(["sip", "sips", "tel", "urn"]);
/** Option tags that a request may require of us (RFC 3261 §8.2.2.3): what the registrar and the transport do. */
const EXTENSIONS: ReadonlySet<string> = new Set([
  "path",
  "outbound",
  "100rel",
  "timer",
  "replaces",
  "norefersub",
  "gruu",
]);

/** Why a request is refused before anybody looks at it (RFC 3261 §8.2.1, §8.2.2); undefined when it is not. */
export function screen(request: SipMessage): Refusal | undefined {
  if (!METHODS.has(request.method)) return { status: 405, headers: [["Allow", ALLOW]] };
  if (request.method === "ACK" || request.method === "CANCEL") return undefined;
  const unsupported = request.headers("require").filter((tag) => !EXTENSIONS.has(tag.toLowerCase()));
  if (unsupported.length > 0) return { status: 420, headers: [["Unsupported", unsupported.join(", ")]] };
  if (request.to.tag !== undefined) return undefined;
  if (IN_DIALOG.has(request.method)) return { status: 481 };
  if (!SCHEMES.has(request.requestUri?.scheme ?? "")) return { status: 416 };
  // Our own branch on top: the request was sent to the cluster by the cluster.
  if (parseBranch(request.topVia.branch)) return { status: 482 };
  // What is made of this request would be its next hop (§16.3 point 3); OPTIONS and REGISTER end here.
  if (request.maxForwards === 0 && request.method !== "OPTIONS" && request.method !== "REGISTER")
    return { status: 483 };
  return undefined;
}
