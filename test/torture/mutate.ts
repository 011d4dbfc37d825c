import type { Random } from "./random.ts";

type Mutation = (text: string, random: Random, corpus: readonly string[]) => string;

const NUMBERS = ["0", "1", "-1", "00", "255", "256", "65535", "65536", "2147483647", "2147483648", "4294967296", "99999999999999999999", "1e9", "0x10", " 5", ""]; // prettier-ignore
const VALUES = [
  "", " ", ",", ",,,", ";", "\"", "\"\\", "<", ">", "<>", "\"a\" <sip:", "*", "%", "%00", "%GG", "\u0000", "\u00ff\u00fe", "\ufffd".slice(0, 0) + "\u00c3\u00a9", "sip:", "sip:@", "sip:a@[::1", "sip:a@[::1]:99999",
  "tel:+1", "urn:service:sos", "SIP/2.0/UDP", "SIP/2.0/UDP ;branch=z9hG4bK", "SIP/2.0/TLS [::1]:5061;branch=z9hG4bK1;received=::1;rport=1", "Digest", "Digest username=", "Digest username=\"a\", realm=", "application/sdp;boundary",
  "multipart/mixed;boundary=x", "a".repeat(300), "a;".repeat(200), "<sip:a@b>,".repeat(50), "(".repeat(200), "\"".repeat(99), "1 INVITE", "1 \u0000", "0 ACK", "timer, 100rel, replaces", "z9hG4bK", "00aaaaaaaaaaaaaaaaaaaaaa.0",
] as const; // prettier-ignore
const NAMES = ["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Route", "Record-Route", "Require", "Content-Length", "Content-Type", "Max-Forwards", "Expires", "Authorization", "Event", "Replaces", "Refer-To", "RAck", "RSeq", "Session-Expires", "Path", "Identity", "Accept", "l", "v", "f", "t", "m", "i", "c", "X", "\u0000", "A".repeat(100)]; // prettier-ignore
const METHODS = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "MESSAGE", "INFO", "UPDATE", "PRACK", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH", "invite", "FOO", "A".repeat(64), "IN VITE", "\u0001"]; // prettier-ignore

const linesOf = (text: string): [string[], string] => {
  const end = text.indexOf("\r\n\r\n");
  return end === -1 ? [text.split("\r\n"), ""] : [text.slice(0, end).split("\r\n"), text.slice(end)];
};
/** Changes the header lines, leaving start line and body. */
const inHeaders =
  (change: (headers: string[], random: Random) => void): Mutation =>
  (text, random) => {
    const [[start = "", ...headers], body] = linesOf(text);
    if (headers.length > 0) change(headers, random);
    return [start, ...headers].join("\r\n") + body;
  };
const at = (text: string, random: Random): number => random.below(text.length + 1);

/** Ways in which a message goes wrong, in transit, in a careless telephone, or on purpose. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "flip a byte": (text, random) => {
    const i = at(text, random);
    return text.slice(0, i) + String.fromCharCode(random.below(256)) + text.slice(i + 1);
  },
  "insert bytes": (text, random) => {
    const i = at(text, random);
    const bytes = Array.from({ length: 1 + random.below(8) }, () => String.fromCharCode(random.below(256)));
    return text.slice(0, i) + bytes.join("") + text.slice(i);
  },
  "cut out": (text, random) => {
    const i = at(text, random);
    return text.slice(0, i) + text.slice(i + 1 + random.below(20));
  },
  truncate: (text, random) => text.slice(0, at(text, random)),
  "repeat a piece": (text, random) => {
    const i = at(text, random);
    const piece = text.slice(i, i + 1 + random.below(40));
    return (
      text.slice(0, i) +
      piece.repeat(2 + random.below(random.chance(0.1) ? 500 : 20)) +
      text.slice(i)
    ).slice(0, 60_000);
  },
  "join two messages": (text, random, corpus) => {
    const other = random.pick(corpus);
    return text.slice(0, at(text, random)) + other.slice(at(other, random));
  },
  "line ends": (text, random) => text.replace(/\r\n/g, (end) => (random.chance(0.2) ? random.pick(["\n", "\r", "\r\n ", "\r\n\t", "\r\n\r\n", "\n\r"]) : end)), // prettier-ignore
  "drop a header": inHeaders((headers, random) => {
    headers.splice(random.below(headers.length), 1);
  }),
  "double a header": inHeaders((headers, random) => {
    const line = random.pick(headers);
    for (let n = random.chance(0.05) ? 300 : 1; n > 0; n--)
      headers.splice(random.below(headers.length), 0, line);
  }),
  "swap headers": inHeaders((headers, random) => {
    const [i, j] = [random.below(headers.length), random.below(headers.length)];
    [headers[i], headers[j]] = [headers[j] ?? "", headers[i] ?? ""];
  }),
  "add a header": inHeaders((headers, random) => {
    headers.splice(random.below(headers.length + 1), 0, `${random.pick(NAMES)}: ${random.pick(VALUES)}`);
  }),
  "rename a header": inHeaders((headers, random) => {
    const i = random.below(headers.length);
    headers[i] = (headers[i] ?? "").replace(/^[^:]*/, random.pick(NAMES));
  }),
  "replace a value": inHeaders((headers, random) => {
    const i = random.below(headers.length);
    headers[i] = (headers[i] ?? "").replace(/:.*$/s, () => `: ${random.pick(VALUES)}`);
  }),
  "extend a value": inHeaders((headers, random) => {
    const i = random.below(headers.length);
    headers[i] = `${headers[i] ?? ""}${random.pick([";", ",", " ", '"'])}${random.pick(VALUES)}`;
  }),
  "change a number": (text, random) => {
    const numbers = [...text.matchAll(/\d+/g)];
    if (numbers.length === 0) return text;
    const { index, 0: number } = random.pick(numbers);
    return text.slice(0, index) + random.pick(NUMBERS) + text.slice(index + number.length);
  },
  "change the method": (text, random) => random.pick(METHODS) + text.slice(Math.max(0, text.indexOf(" "))),
  "change the method twice": (text, random) => {
    const method = random.pick(METHODS);
    return method + text.slice(Math.max(0, text.indexOf(" "))).replace(/(CSeq:\s*\d+\s+)\S+/i, `$1${method}`);
  },
  "change an address": (text, random) => {
    const addresses = [...text.matchAll(/sips?:[^\s>;,"]*/g)];
    if (addresses.length === 0) return text;
    const { index, 0: address } = random.pick(addresses);
    return text.slice(0, index) + random.pick(VALUES) + text.slice(index + address.length);
  },
  "change the body": (text, random) => {
    const i = text.indexOf("\r\n\r\n");
    return i === -1
      ? text
      : text.slice(0, i + 4) + random.pick([...VALUES, "v=0\r\n", "--x\r\n\r\n--x--", "\u0000".repeat(50)]);
  },
};

const ALL = Object.values(MUTATIONS);

/** Changes that a parser must take: what comes behind it sees them. */
const GENTLE: readonly Mutation[] = [
  inHeaders((headers, random) => {
    headers.splice(random.below(headers.length + 1), 0, `X-${random.below(99)}: ${random.pick(VALUES).replace(/[^ -!#-[\]-~]/g, "")}`);
  }),
  inHeaders((headers, random) => {
    const i = random.below(headers.length);
    headers[i] = (headers[i] ?? "").replace(/:\s*/, () => random.pick([": ", ":", " : ", ":\t", ":\r\n "]));
  }),
  inHeaders((headers) => {
    headers.reverse();
  }),
  (text, random) => text.replace(/(tag=|CSeq: )[^\s;]*/, (_all, name: string) => `${name}${random.below(1e6)}`),
  (text, random) => text.replace(/sip:[a-z0-9-]+@/, () => `sip:${random.pick(["a", "%41", "+15551230001", "a;b=c", "a:b", "~!&=+$,"])}@`),
]; // prettier-ignore

/** One message from the corpus, changed gently, in up to four other ways, or now and then not at all. */
export function mutate(corpus: readonly string[], random: Random): string {
  let text = random.pick(corpus);
  if (random.chance(0.1)) return text;
  if (random.chance(0.5))
    for (let n = 1 + random.below(3); n > 0; n--) text = random.pick(GENTLE)(text, random, corpus);
  if (random.chance(0.6))
    for (let n = random.chance(0.3) ? 4 : 1; n > 0; n--) text = random.pick(ALL)(text, random, corpus);
  return random.chance(0.7) ? withLength(text) : text;
}

/** The message with the Content-Length that its body has: so that the rest of it is looked at. */
function withLength(text: string): string {
  const end = text.indexOf("\r\n\r\n");
  return end === -1 ? text : text.slice(0, end).replace(/^((?:Content-Length|l)\s*:).*$/im, `$1 ${text.length - end - 4}`) + text.slice(end); // prettier-ignore
}
