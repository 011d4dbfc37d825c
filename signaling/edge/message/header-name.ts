/**
 * Every compact form registered with IANA. RFC 3261 §7.3.3 and RFC 3515, 3841, 3892, 4028, 4474, 6665.
 */
const COMPACT: Readonly<Record<string, string>> = {
  a: "Accept-Contact",
  b: "Referred-By",
  c: "Content-Type",
  d: "Request-Disposition",
  e: "Content-Encoding",
  f: "From",
  i: "Call-ID",
  j: "Reject-Contact",
  k: "Supported",
  l: "Content-Length",
  m: "Contact",
  n: "Identity-Info",
  o: "Event",
  r: "Refer-To",
  s: "Subject",
  t: "To",
  u: "Allow-Events",
  v: "Via",
  x: "Session-Expires",
  y: "Identity",
};

/** Names whose spelling is not "capital after each hyphen", and those met in nearly every message. */
const SPELLED = [
  "Accept",
  "Allow",
  "Authorization",
  "CSeq",
  "Expires",
  "Max-Forwards",
  "MIME-Version",
  "P-Asserted-Identity",
  "Path",
  "Privacy",
  "Proxy-Authenticate",
  "Proxy-Authorization",
  "RAck",
  "Record-Route",
  "Replaces",
  "Require",
  "Route",
  "RSeq",
  "Server",
  "SIP-ETag",
  "SIP-If-Match",
  "Subscription-State",
  "Timestamp",
  "User-Agent",
  "Warning",
  "WWW-Authenticate",
  ...Object.values(COMPACT),
];

/** Headers whose grammar is a comma-separated list, so that one line may hold several values (RFC 3261 §7.3.1). */
const LISTS: ReadonlySet<string> = new Set(
  [
    "Accept",
    "Accept-Contact",
    "Accept-Encoding",
    "Accept-Language",
    "Alert-Info",
    "Allow",
    "Allow-Events",
    "Call-Info",
    "Contact",
    "Content-Encoding",
    "Content-Language",
    "Diversion",
    "Error-Info",
    "History-Info",
    "In-Reply-To",
    "P-Asserted-Identity",
    "P-Associated-URI",
    "P-Preferred-Identity",
    "Path",
    "Proxy-Require",
    "Reason",
    "Record-Route",
    "Reject-Contact",
    "Request-Disposition",
    "Require",
    "Route",
    "Security-Client",
    "Security-Server",
    "Security-Verify",
    "Service-Route",
    "Supported",
    "Unsupported",
    "Via",
    "Warning",
  ].map((name) => name.toLowerCase()),
);

/** Any spelling met on the wire → the lower-case long name. Fixed: strange spellings are not remembered. */
const KEYS = new Map<string, string>();
const SPELLING = new Map<string, string>();
for (const name of SPELLED) {
  const key = name.toLowerCase();
  for (const spelling of [name, key, name.toUpperCase()]) KEYS.set(spelling, key);
  SPELLING.set(key, name);
}
for (const [letter, name] of Object.entries(COMPACT)) {
  KEYS.set(letter, name.toLowerCase());
  KEYS.set(letter.toUpperCase(), name.toLowerCase());
}

/** The key under which a header is found: long form, lower case. */
export function headerKey(name: string): string {
  const known = KEYS.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  return KEYS.get(lower) ?? lower;
}

/** The usual spelling of a header name, for writing: `cseq` → `CSeq`, `x-foo-bar` → `X-Foo-Bar`. */
export function headerSpelling(name: string): string {
  const key = headerKey(name);
  return SPELLING.get(key) ?? key.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** True when a comma separates values of this header. */
export const isListHeader = (key: string): boolean => LISTS.has(key);
