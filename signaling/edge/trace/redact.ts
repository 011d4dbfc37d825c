import { redactBody } from "./redact-body.ts";
import { maskDigits, maskNumbers } from "./mask-number.ts";

/** What a header of this name may show. */
type Rule = "credentials" | "addresses" | "nothing" | "all";

// prettier-ignore
const NAMES: Readonly<Record<Rule, readonly string[]>> = {
  credentials: ["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"],
  // RFC 8224 tokens hold both numbers; the others hold people's words, places, or keys of applications.
  nothing: ["authentication-info", "proxy-authentication-info", "identity", "y", "subject", "s", "user-to-user", "p-access-network-info", "geolocation", "cookie", "set-cookie"],
  addresses: ["from", "f", "to", "t", "contact", "m", "p-asserted-identity", "p-preferred-identity", "remote-party-id", "p-called-party-id", "diversion", "history-info", "refer-to", "r", "referred-by", "b", "route", "record-route", "path", "service-route", "reply-to"],
  all: ["via", "v", "call-id", "i", "cseq", "content-type", "c", "content-length", "l", "content-disposition", "max-forwards", "allow", "supported", "k", "require", "unsupported", "proxy-require", "user-agent", "server", "accept", "expires", "min-expires", "date", "timestamp", "retry-after", "reason", "event", "o", "allow-events", "u", "subscription-state", "session-expires", "x", "min-se", "rseq", "rack", "replaces", "target-dialog", "warning", "privacy", "sip-etag", "sip-if-match"],
};
/** Any other header may hold anything: its numbers are masked wherever they stand. */
const RULES: ReadonlyMap<string, Rule> = new Map(
  (Object.entries(NAMES) as [Rule, readonly string[]][]).flatMap(([rule, names]) => names.map((name) => [name, rule] as const)),
); // prettier-ignore
const LONG_NUMBER = /\d{7,}/g;
/** Names that applications give to what they keep secret. */
const SECRET_NAME = /auth|token|secret|passw|api-?key|credential/;
/** Parameters of credentials that say how, and not what (RFC 7616 §3.3, §3.4). */
const PUBLIC_PARAMETER = /(?:^|[\s,])(realm|algorithm|stale|qop)\s*=\s*("[^"]*"|[^\s,"]+)/gi;

const REDACTED = "[redacted]";

/** Rules by the name as it was written: most messages spell their headers alike. Bounded by KNOWN_SPELLINGS. */
const spellings = new Map<string, Rule | undefined>();
const KNOWN_SPELLINGS = 1_000;

/**
 * A message as it may be kept and shown: no credentials, keys, digits pressed, texts, and of telephone numbers their last
 * digits only. Works on any text, also on what is no SIP. Never throws; time is linear in the length. Most lines of most
 * messages hide nothing: they are looked at and not copied.
 */
export function redact(text: string): string {
  const blank = text.indexOf("\r\n\r\n");
  const headEnd = blank === -1 ? text.length : blank;
  let contentType = "";
  let out = "";
  let kept = 0;
  const replace = (from: number, to: number, shown: string): void => {
    out += text.slice(kept, from) + shown;
    kept = to;
  };
  let end = endOfLine(text, 0, headEnd);
  const startLine = text.slice(0, end);
  const maskedStart = maskNumbers(startLine);
  if (maskedStart !== startLine) replace(0, end, maskedStart);
  while (end < headEnd) {
    const from = end + 2;
    end = endOfLine(text, from, headEnd);
    const colon = text.indexOf(":", from);
    if (colon === -1 || colon >= end) {
      replace(from, end, REDACTED);
      continue;
    }
    const name = text.slice(from, colon);
    const rule = ruleOf(name);
    if (rule === "all") {
      if (name.length === 12 || name.length === 1) contentType ||= contentTypeOf(name, text, colon, end);
      continue;
    }
    const value = text.slice(colon + 1, end);
    const shown = shownOf(rule, value);
    if (shown !== value) replace(colon + 1, end, shown);
  }
  if (blank !== -1) {
    const body = text.slice(headEnd + 4);
    const shown = redactBody(body, contentType);
    if (shown !== body) replace(headEnd + 4, text.length, shown);
  }
  return kept === 0 ? text : out + text.slice(kept);
}

/** Where a header ends, folded lines included. */
function endOfLine(text: string, from: number, headEnd: number): number {
  let end = text.indexOf("\r\n", from);
  while (end !== -1 && end < headEnd && isBlank(text.charCodeAt(end + 2)))
    end = text.indexOf("\r\n", end + 2);
  return end === -1 || end > headEnd ? headEnd : end;
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

function ruleOf(name: string): Rule | undefined {
  const known = spellings.get(name);
  if (known !== undefined) return known;
  const plain = name.trimEnd().toLowerCase();
  const rule = RULES.get(plain) ?? (SECRET_NAME.test(plain) ? "nothing" : undefined);
  if (rule !== undefined && spellings.size < KNOWN_SPELLINGS) spellings.set(name, rule);
  return rule;
}

function contentTypeOf(name: string, text: string, colon: number, end: number): string {
  return /^(?:content-type|c)$/i.test(name)
    ? text
        .slice(colon + 1, end)
        .trim()
        .toLowerCase()
    : "";
}

function shownOf(rule: Exclude<Rule, "all"> | undefined, value: string): string {
  switch (rule) {
    case "credentials":
      return redactCredentials(value);
    case "addresses":
      return maskNumbers(value);
    case "nothing":
      return ` ${REDACTED}`;
    case undefined:
      return maskNumbers(value).replace(LONG_NUMBER, maskDigits);
  }
}

function redactCredentials(value: string): string {
  const scheme = /^\s*(Digest)\s/i.exec(value)?.[1];
  if (scheme === undefined) return ` ${REDACTED}`;
  const shown = [...value.matchAll(PUBLIC_PARAMETER)].map(([, name = "", given = ""]) => `${name}=${given}`);
  return ` ${scheme} ${[...shown, REDACTED].join(", ")}`;
}
