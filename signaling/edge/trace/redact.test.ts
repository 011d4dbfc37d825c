import { describe, expect, it } from "vitest";
import { redact } from "./redact.ts";

const message = (lines: readonly string[], body = ""): string => `${lines.join("\r\n")}\r\n\r\n${body}`;
const invite = (header: string): string =>
  message(["INVITE sip:bob@example.org SIP/2.0", "Call-ID: 1@a", header]);
const withBody = (type: string, body: string): string =>
  message(
    ["INFO sip:bob@example.org SIP/2.0", `Content-Type: ${type}`, `Content-Length: ${body.length}`],
    body,
  );

/** What a message holds, and what of it must not be kept. */
// prettier-ignore
const SECRETS: readonly (readonly [what: string, text: string, secrets: readonly string[]])[] = [
  ["a digest answer", invite('Authorization: Digest username="alice", realm="r", nonce="n0nce", uri="sip:x", response="6629fae4", cnonce="c0nce", opaque="op4que", algorithm=MD5'), ["6629fae4", "n0nce", "c0nce", "op4que", "alice"]],
  ["the same to a proxy", invite('proxy-authorization : Digest response="6629fae4"'), ["6629fae4"]],
  ["a password in clear", invite("Authorization: Basic YWxpY2U6c2VjcmV0"), ["YWxpY2U6c2VjcmV0"]],
  ["a bearer token", invite("Authorization: Bearer eyJhbGciOi"), ["eyJhbGciOi"]],
  ["credentials on a folded line", invite('Authorization: Digest realm="r",\r\n response="6629fae4"'), ["6629fae4"]],
  ["a challenge's nonce", invite('WWW-Authenticate: Digest realm="r", nonce="n0nce"'), ["n0nce"]],
  ["a proxy's challenge", invite('Proxy-Authenticate: Digest realm="r", nonce="n0nce"'), ["n0nce"]],
  ["what follows an authentication", invite('Authentication-Info: nextnonce="n0nce", rspauth="6629fae4"'), ["n0nce", "6629fae4"]],
  ["a signed caller identity", invite("Identity: eyJhbGciOi.payload.sig;info=<https://x>"), ["eyJhbGciOi", "payload"]],
  ["the same in compact form", invite("y: eyJhbGciOi.payload.sig"), ["eyJhbGciOi"]],
  ["an application's token", invite("X-Auth-Token: t0ken"), ["t0ken"]],
  ["an application's key", invite("X-Acme-ApiKey: t0ken"), ["t0ken"]],
  ["a cookie", invite("Cookie: sid=t0ken"), ["t0ken"]],
  ["a push token", invite("Contact: <sip:alice@192.0.2.1;pn-provider=fcm;pn-prid=t0ken>"), ["t0ken"]],
  ["a password in a URI", invite("Contact: <sip:alice:s3cret@192.0.2.1>"), ["s3cret"]],
  ["credentials in a URI's headers", invite("Refer-To: <sip:bob@x?Authorization=s3cret&Replaces=1>"), ["s3cret"]],
  ["a subject", invite("Subject: the patient is John"), ["John"]],
  ["a caller's place", invite("P-Access-Network-Info: 3GPP-E-UTRAN;utran-cell-id-3gpp=2341"), ["2341"]],
  ["a dialled number", message(["INVITE sip:+15551230001@example.org SIP/2.0"]), ["1555123", "5551230001"]],
  ["an escaped number", message(["INVITE sip:%2B15551230001@example.org SIP/2.0"]), ["1555123"]],
  ["a number with its own escapes", message(["INVITE sip:%31%35%35%35%31%32%33%30%30%30%31@example.org SIP/2.0"]), ["%31%35%35%35"]],
  ["a tel URI", message(["INVITE tel:+1-555-123-0001;isub=7766 SIP/2.0"]), ["555-123", "7766"]],
  ["a number with parameters", invite("To: <sip:+15551230001;npdi;rn=+15550000@example.org>"), ["5551230001"]],
  ["digits after the number", message(["INVITE sip:+15551230001;postd=8812@example.org SIP/2.0"]), ["8812"]],
  ["a caller's number", invite("From: <sip:+15551239876@example.org>;tag=1"), ["15551239876"]],
  ["a caller's number in compact form", invite("f: <sip:+15551239876@example.org>;tag=1"), ["15551239876"]],
  ["a number for a name", invite('From: "+1 555 123 9876" <sip:alice@example.org>;tag=1'), ["555 123"]],
  ["an asserted number", invite("P-Asserted-Identity: <tel:+15551239876>"), ["15551239876"]],
  ["a diverted number", invite("Diversion: <sip:+15551239876@example.org>;reason=busy"), ["15551239876"]],
  ["a number in a header of an application", invite("X-Dialed: 15551239876"), ["15551239876"]],
  ["SRTP keys", withBody("application/sdp", "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQ==|2^20\r\n"), ["WVNfX19z"]],
  ["ICE passwords", withBody("application/sdp", "v=0\r\na=ice-ufrag:uf4g\r\na=ice-pwd:s3cret\r\n"), ["s3cret", "uf4g"]],
  ["ICE passwords in a trickle", withBody("application/trickle-ice-sdpfrag", "a=ice-pwd:s3cret\r\n"), ["s3cret"]],
  ["a fingerprint", withBody("application/sdp;charset=utf-8", "v=0\r\na=fingerprint:sha-256 AB:CD\r\n"), ["AB:CD"]],
  ["MIKEY and k= keys", withBody("application/sdp", "v=0\r\nk=clear:s3cret\r\na=key-mgmt:mikey s3cret2\r\n"), ["s3cret"]],
  ["a number in SDP", withBody("application/sdp", "v=0\r\no=15551239876 1 1 IN IP4 192.0.2.1\r\ns=call 15551239876\r\np=+1 555 123\r\n"), ["15551239876", "555 123"]],
  ["keys in upper case", withBody("APPLICATION/SDP", "v=0\r\nA=CRYPTO:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z\r\n"), ["WVNfX19z"]],
  ["SDP with bare line feeds", withBody("application/sdp", "v=0\na=ice-pwd:s3cret\n"), ["s3cret"]],
  ["digits pressed", withBody("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"), ["Signal=5"]],
  ["digits pressed, short form", withBody("application/dtmf", "7"), ["\r\n\r\n7"]],
  ["a text", message(["MESSAGE sip:bob@x SIP/2.0", "Content-Type: text/plain"], "the code is 4711"), ["4711"]],
  ["a text whose type is not told", message(["MESSAGE sip:bob@x SIP/2.0"], "the code is 4711"), ["4711"]],
  ["parts", withBody("multipart/mixed;boundary=x", "--x\r\nContent-Type: application/sdp\r\n\r\na=ice-pwd:s3cret\r\n--x--"), ["s3cret"]],
  ["more than the status of a fragment", withBody("message/sipfrag", 'SIP/2.0 200 OK\r\nAuthorization: Digest response="6629fae4"'), ["6629fae4"]],
  ["a fragment that is a request", withBody("message/sipfrag", "INVITE sip:+15551239876@x SIP/2.0"), ["15551239876"]],
  ["a broken line", message(["INVITE sip:bob@x SIP/2.0", "this has no name sip:+15551239876@x"]), ["15551239876"]],
];

describe("redact", () => {
  it.each(SECRETS)("does not keep %s", (_what, text, secrets) => {
    for (const secret of secrets) {
      expect(text).toContain(secret);
      expect(redact(text)).not.toContain(secret);
    }
  });

  it("leaves the last four digits of a number, and its form", () => {
    expect(redact(message(["INVITE sip:+15551230001@h SIP/2.0"]))).toContain("sip:+xxxxxxx0001@h");
    expect(redact(message(["INVITE tel:+1-555-123-0001 SIP/2.0"]))).toContain("tel:+x-xxx-xxx-0001");
  });

  it("leaves names, addresses, tags, branches and the order of headers as they are", () => {
    const text = message([
      "INVITE sip:bob@192.0.2.1:5060;transport=tcp SIP/2.0",
      "Via: SIP/2.0/UDP 192.0.2.17:5062;branch=z9hG4bK776asdhds12345678;rport",
      'From: "Alice" <sip:alice@crossband.local>;tag=1928301774',
      "To: <sip:fire-1@crossband.local>",
      "Call-ID: 3848276298220188511@192.0.2.17",
      "Contact: <sip:192.0.2.17:5062>",
      "CSeq: 314159 INVITE",
    ]);
    expect(redact(text)).toBe(text);
  });

  it("leaves a session description readable", () => {
    const sdp =
      "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
    expect(redact(withBody("application/sdp", sdp))).toContain(sdp);
  });

  it("tells what kind of credentials there were", () => {
    expect(
      redact(invite('Authorization: Digest username="a", realm="r", response="1", algorithm=SHA-256')),
    ).toContain('Authorization: Digest realm="r", algorithm=SHA-256, [redacted]');
  });

  it("takes any text in time that grows with its length", () => {
    const began = performance.now();
    for (const piece of ["sip:", "tel:+1", '"', "<", "a=crypto:1 a", "\r\n ", "%2B", "+1 ", ";x="])
      redact(
        `INVITE ${piece.repeat(20_000)}\r\nFrom: ${piece.repeat(20_000)}\r\nContent-Type: application/sdp\r\n\r\n${piece.repeat(20_000)}`,
      );
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
