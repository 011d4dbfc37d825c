import { createHash, randomBytes } from "node:crypto";

/** The Authorization of a REGISTER that answers the MD5 challenge among those in a 401 (RFC 7616 §3.4). */
export function md5Authorization(
  challenged: string,
  { user, password, domain }: { readonly user: string; readonly password: string; readonly domain: string },
): string {
  const challenge =
    [...challenged.matchAll(/^WWW-Authenticate: (Digest .*)$/gim)]
      .map((match) => match[1] ?? "")
      .find((value) => /algorithm="?MD5/i.test(value)) ?? "";
  const realm = /realm="([^"]*)"/.exec(challenge)?.[1] ?? "";
  const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? "";
  const cnonce = randomBytes(8).toString("hex");
  const [who, what] = [md5(`${user}:${realm}:${password}`), md5(`REGISTER:sip:${domain}`)];
  const response = md5(`${who}:${nonce}:00000001:${cnonce}:auth:${what}`);
  return `Authorization: Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="sip:${domain}", response="${response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="${cnonce}"\r\n`;
}

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
