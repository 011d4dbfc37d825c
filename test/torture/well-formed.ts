/* eslint-disable no-control-regex -- control characters are what is looked for */
/**
 * What is wrong with a message that a SIP server sent, by the grammar of RFC 3261 §25 and §8; undefined for nothing. Written
 * apart from the server's own parser, so that the two do not share a fault.
 */
export function faultOf(text: string): string | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return "no blank line behind the headers";
  const [start = "", ...lines] = text.slice(0, end).split("\r\n");
  const body = text.slice(end + 4);
  const status = /^SIP\/2\.0 ([1-6]\d\d) [^\r\n\u0000]*$/.test(start);
  if (!status && !/^[A-Z]+ (?:sips?|tel|urn):[^\s\u0000-\u001f]+ SIP\/2\.0$/.test(start))
    return `start line: ${start}`;
  const count = new Map<string, number>();
  let length: string | undefined;
  for (const line of lines) {
    // A quoted-pair may hold any character but CR and LF.
    if (/[\r\n]|(?<!\\)\u0000/.test(line)) return `stray control character: ${line}`;
    const header = /^([A-Za-z0-9\-.!%*_+`'~]+)[ \t]*:[ \t]*(.*)$/.exec(line);
    if (!header) return `header line: ${line}`;
    const name = (header[1] ?? "").toLowerCase();
    count.set(name, (count.get(name) ?? 0) + 1);
    if (name === "content-length") length = header[2];
    if (name === "cseq" && !/^\d+[ \t]+\S+[ \t]*$/.test(header[2] ?? "")) return `CSeq: ${header[2] ?? ""}`;
    if (name === "via" && !/^SIP[ \t]*\/[ \t]*2\.0[ \t]*\/[ \t]*\S+[ \t]+\S/i.test(header[2] ?? "")) return `Via: ${header[2] ?? ""}`; // prettier-ignore
  }
  for (const name of ["from", "to", "call-id", "cseq"]) if (count.get(name) !== 1) return `${count.get(name) ?? 0} ${name} headers`; // prettier-ignore
  if (!count.has("via")) return "no Via";
  if (count.get("content-length") !== 1 || Number(length) !== body.length)
    return `Content-Length ${length ?? "missing"} of ${body.length} bytes`;
  return undefined;
}
