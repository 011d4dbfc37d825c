/** Digits that are left at the end of a number: enough to tell two calls apart. */
const SHOWN_DIGITS = 4;

/** A user part that somebody may have dialled: digits, with the signs that are written between them. */
const NUMBER = /^(?:\+|%2[Bb])?[0-9*#.()\-%A-Da-d]*$/;
const USER = /(sips?|tel):([^@;>?\s",<]+)/gi;
/** Numbers in display names. */
const WRITTEN_NUMBER = /\+?\d[\d\-. ()]{3,}\d/g;
/** Digits dialled after the number (RFC 3966 `isub`, `postd`), push tokens of telephones (RFC 8599), secrets in URI headers. */
const PARAMETER =
  /([;?&](?:isub|postd|phone-context|pn-prid|pn-param|authorization|proxy-authorization|access_?token|token|password|secret)=)[^;>&\s,"]+/gi;

/** Masks the telephone numbers, passwords and tokens of addresses: `sip:+15551230001@a` becomes `sip:+xxxxxxx0001@a`. */
export function maskNumbers(text: string): string {
  // The messages of a call repeat its addresses: the latest are remembered.
  const known = recent.get(text);
  if (known !== undefined) return known;
  const masked = isHarmless(text) ? text : maskAll(text);
  if (text.length <= REMEMBERED_LENGTH) {
    if (recent.size >= REMEMBERED) recent.clear();
    recent.set(text, masked);
  }
  return masked;
}

const recent = new Map<string, string>();
const REMEMBERED = 2_000;
const REMEMBERED_LENGTH = 200;

function maskAll(text: string): string {
  const masked = text.replace(USER, (all, scheme: string, user: string, at: number) => {
    // `sip:host` has no user part; whatever stands behind `tel:` is the number.
    if (scheme.toLowerCase() !== "tel" && !hasUser(text, at + all.length)) return all;
    const colon = user.indexOf(":");
    const name = colon === -1 ? user : user.slice(0, colon);
    return `${scheme}:${NUMBER.test(name) ? maskDigits(name) : name}${colon === -1 ? "" : ":[redacted]"}`;
  });
  return maskNames(masked).replace(PARAMETER, "$1[redacted]");
}

/** All digits but the last ones as `x`; signs stay, so that the form of the number is seen. */
export function maskDigits(number: string): string {
  // An escaped character is one sign, and may be a digit itself.
  const plain = number.replace(/%([0-9A-Fa-f]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)).replace(/[^\x21-\x7e]|[@;>?"<,:]/, "?"),
  );
  let left = (plain.match(/\d/g)?.length ?? 0) - SHOWN_DIGITS;
  return plain.replace(/\d/g, (digit) => (left-- > 0 ? "x" : digit));
}

/** True when a user part ends here, perhaps with parameters, as in `sip:+1555;npdi@host`. */
const hasUser = (text: string, from: number): boolean =>
  text[from] === "@" || (text[from] === ";" && /^;[^@>?\s",<]*@/.test(text.slice(from, from + 256)));

/** Masks numbers in display names: what stands before each `<`, behind the comma that ends the address before. */
function maskNames(text: string): string {
  let out = "";
  let from = 0;
  for (let open = text.indexOf("<"); open !== -1; open = text.indexOf("<", from)) {
    const comma = from === 0 ? -1 : text.indexOf(",", from);
    const name = comma === -1 || comma > open ? from : comma;
    const close = text.indexOf(">", open);
    const end = close === -1 ? text.length : close + 1;
    out +=
      text.slice(from, name) +
      text.slice(name, open).replace(WRITTEN_NUMBER, maskDigits) +
      text.slice(open, end);
    from = end;
  }
  return out + text.slice(from);
}

/** True of almost all addresses: no number, password or parameter to hide. One pass, since it is asked of each. */
function isHarmless(text: string): boolean {
  let digits = 0;
  let signs = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) digits++;
    else if (code === 0x3a || code === 0x3b) signs++;
    else if (code === 0x40) {
      // `@`: the scheme's colon alone before it, or a password or parameters too.
      if (digits > SHOWN_DIGITS || signs > 1) return false;
      digits = signs = 0;
    } else if (code === 0x3c) {
      if (digits > SHOWN_DIGITS) return false;
      digits = signs = 0;
    } else if (code === 0x3e || code === 0x2c) digits = signs = 0;
  }
  return !/tel:|[;?&](?:isub|postd|phone-c|pn-|auth|proxy-auth|access|token|passw|secret)/i.test(text);
}
