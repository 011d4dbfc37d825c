import { describe, expect, it } from "vitest";
import { answerChallenge, parseChallenge } from "./digest.ts";
import { parseSdp } from "./sdp.ts";
import { formatSip, hostPortOf, parameterOf, parseSip, uriOf, valueOf, valuesOf } from "./sip-text.ts";
import { sipFraming } from "./sip-transport.ts";

describe("parseSip", () => {
  it("reads compact, folded and comma separated headers", () => {
    const text =
      'OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=1,\r\n SIP/2.0/UDP i\r\nm: "a, b" <sip:c,d@e>, <sip:f@g>\r\nl: 2\r\n\r\nhi';
    const message = parseSip(text);
    expect(valuesOf(message, "Via")).toEqual(["SIP/2.0/UDP h;branch=1", "SIP/2.0/UDP i"]);
    expect(valuesOf(message, "Contact")).toEqual(['"a, b" <sip:c,d@e>', "<sip:f@g>"]);
    expect(message.body).toBe("hi");
  });

  it.each(["", "INVITE\r\n\r\n", "INVITE sip:a SIP/2.0\r\nno colon\r\n\r\n", "SIP/2.0 abc OK\r\n\r\n"])(
    "refuses %j",
    (text) => {
      expect(() => parseSip(text)).toThrow();
    },
  );

  it("reads what formatSip wrote, with the length of the body in bytes", () => {
    const message = {
      kind: "response",
      status: 200,
      reason: "OK",
      headers: [["To", "<sip:a@b>;tag=1"]],
      body: "é",
    } as const;
    const back = parseSip(formatSip(message));
    expect(valueOf(back, "l")).toBe("2");
    expect(back).toMatchObject({ status: 200, body: "é" });
  });
});

describe("parts of values", () => {
  it("finds parameters of the header and not of the URI in it", () => {
    expect(parameterOf("<sip:a@b;tag=no>;tag=yes", "tag")).toBe("yes");
    expect(parameterOf('Digest realm="x"; q="a b"', "q")).toBe("a b");
    expect(uriOf('"<b>" <sip:a@b;lr>;tag=1')).toBeDefined();
  });

  it("finds host and port of a URI", () => {
    expect(hostPortOf("sip:a@127.0.0.1:5070;lr")).toEqual({ host: "127.0.0.1", port: 5070 });
    expect(hostPortOf("sip:[::1]")).toEqual({ host: "::1", port: 5060 });
    expect(hostPortOf("tel:+1")).toBeUndefined();
  });
});

describe("digest", () => {
  // RFC 7616 §3.9.1
  const fields =
    'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';
  const credentials = { user: "Mufasa", password: "Circle of Life" };
  const request = {
    method: "GET",
    uri: "/dir/index.html",
    cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
  };

  it.each([
    ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
    ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
  ])("answers as the example of RFC 7616 does with %s", (algorithm, response) => {
    const challenge = parseChallenge(`Digest ${fields}, algorithm=${algorithm}`);
    if (!challenge) throw new Error("challenge was not read");
    expect(answerChallenge(challenge, credentials, request)).toContain(`response="${response}"`);
  });

  it("leaves challenges alone that it cannot answer", () => {
    expect(parseChallenge('Digest realm="a", nonce="b", algorithm=SHA-512-256')).toBeUndefined();
    expect(parseChallenge("Basic x")).toBeUndefined();
  });
});

describe("parseSdp", () => {
  it("takes the line's own address and direction over the session's", () => {
    const sdp =
      "v=0\r\nc=IN IP4 10.0.0.1\r\na=inactive\r\nm=audio 4000 RTP/AVP 8 101\r\nc=IN IP4 10.0.0.2\r\na=rtpmap:101 telephone-event/8000\r\na=recvonly\r\nm=video 1 RTP/AVP 9\r\na=sendonly\r\n";
    expect(parseSdp(sdp)).toEqual({
      host: "10.0.0.2",
      port: 4000,
      payloadTypes: [8, 101],
      codecs: ["PCMA"],
      events: 101,
      direction: "recvonly",
    });
  });

  it.each(["v=0\r\n", "v=0\r\nm=audio 0 RTP/AVP 0\r\n"])("refuses %j", (sdp) => {
    expect(() => parseSdp(sdp)).toThrow();
  });
});

describe("sipFraming", () => {
  it("cuts a stream at Content-Length however it is chopped, and skips keepalives", () => {
    const one = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nabc";
    const two = "\r\n\r\nOPTIONS sip:b SIP/2.0\r\nl: 0\r\n\r\n";
    for (const size of [1, 7, 1_000]) {
      const got: string[] = [];
      const push = sipFraming((text) => got.push(text));
      const bytes = Buffer.from(one + two + one);
      for (let i = 0; i < bytes.length; i += size) push(bytes.subarray(i, i + size));
      expect(got).toEqual([one, two.trimStart(), one]);
    }
  });
});
