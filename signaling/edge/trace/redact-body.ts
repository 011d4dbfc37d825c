import { maskNumbers } from "./mask-number.ts";

/** Lines of a session description that hold keys, and people's own words and numbers (RFC 4568, 8839, 8122, 3830, 4566). */
const SDP_SECRETS: readonly (readonly [line: RegExp, shown: (line: string) => string])[] = [
  [/^a=\s*crypto:.*$/gim, (line) => `${/^a=\s*crypto:\d* ?\w*/i.exec(line)?.[0] ?? "a="} [redacted]`],
  [/^a=\s*(?:ice-pwd|ice-ufrag|key-mgmt|fingerprint|tls-id|setup-key|identity).*$/gim, (line) => `${line.split(":", 1)[0] ?? ""}:[redacted]`],
  [/^a=candidate:.*$/gim, (line) => line.replace(/ ufrag .*/i, " ufrag [redacted]")],
  [/^[kepiu]=.*$/gm, (line) => `${line.slice(0, 2)}[redacted]`],
  [/^o=.*$/gm, (line) => (/^o=\S*\d{5}/.test(line) ? line.replace(/^o=\S*/, "o=[redacted]") : line)],
  [/^s=.*$/gm, (line) => (/\d{5}/.test(line) ? "s=[redacted]" : line)],
]; // prettier-ignore

/** True of a description that any of the above may change. */
const HOLDS_SECRETS =
  /^[aA]=\s*(?:crypto|ice-|key-m|fingerp|tls-id|setup-k|identity|candidate)|^[kepiu]=|^o=\S*\d{5}|^s=.*\d{5}/im;

/**
 * A body as it may be kept. Only what is known to be harmless is shown: session descriptions without their keys, and the
 * status line of a `message/sipfrag`. Texts, digits and everything else are told by type and length.
 */
export function redactBody(body: string, contentType: string): string {
  if (body === "") return "";
  const type = /^[^;,\s]+/.exec(contentType)?.[0] ?? "";
  if (type === "application/sdp" || type === "application/trickle-ice-sdpfrag")
    return HOLDS_SECRETS.test(body)
      ? SDP_SECRETS.reduce((text, [line, shown]) => text.replace(line, shown), body)
      : body;
  if (type === "message/sipfrag") {
    const [first = ""] = body.split("\r\n", 1);
    if (/^SIP\/2\.0 \d{3}/.test(first)) return maskNumbers(first);
  }
  return `[${body.length} bytes${type === "" ? "" : ` of ${type}`}, not kept]`;
}
