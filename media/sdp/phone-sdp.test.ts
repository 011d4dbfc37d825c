import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CrossbandError } from "#common/errors.ts";
import { readPhoneSdp } from "./phone-sdp.ts";
import { SdpWriter } from "./write-sdp.ts";

const HOST = "192.0.2.1";
const sdp = (...media: string[]) =>
  ["v=0", "o=- 1 1 IN IP4 198.51.100.7", "s=-", "c=IN IP4 198.51.100.7", "t=0 0", ...media, ""].join("\r\n");
const audio = "m=audio 4000 RTP/AVP 0 8 101";
const event = "a=rtpmap:101 telephone-event/8000";
const read = (text: string) => readPhoneSdp(text, HOST);
const answer = (text: string) => new SdpWriter(HOST, 20_000).answer(read(text)).split("\r\n");

describe("a phone's session description", () => {
  it("gives address, port, codecs in its order, and the event type", () => {
    expect(read(sdp("m=audio 4000 RTP/AVP 8 0 101", event)).audio).toEqual({
      protocol: "RTP/AVP",
      address: "198.51.100.7",
      port: 4_000,
      rtcp: { address: "198.51.100.7", port: 4_001 },
      direction: "sendrecv",
      codecs: new Map([
        [8, "pcma"],
        [0, "pcmu"],
      ]),
      preferred: { payloadType: 8, codec: "pcma" },
      eventType: 101,
    });
  });

  it("believes an rtpmap over the static meaning, and the media line's address over the session's", () => {
    const { audio: found } = read(
      sdp(
        "m=audio 4000 RTP/AVP 97 0",
        "c=IN IP4 203.0.113.9",
        "a=rtpmap:97 PCMA/8000",
        "a=rtcp:5000 IN IP4 203.0.113.10",
      ),
    );
    expect(found).toMatchObject({
      address: "203.0.113.9",
      rtcp: { address: "203.0.113.10", port: 5_000 },
      preferred: { payloadType: 97, codec: "pcma" },
    });
  });

  it("passes over codecs of another rate and events of another clock", () => {
    const { audio: found } = read(
      sdp("m=audio 4000 RTP/AVP 96 0 97", "a=rtpmap:96 PCMU/16000", "a=rtpmap:97 telephone-event/48000"),
    );
    expect([found.preferred.payloadType, found.eventType]).toEqual([0, undefined]);
  });

  it("takes the first audio line that is alive and speaks plain RTP", () => {
    const both = read(
      sdp(
        "m=audio 0 RTP/AVP 0",
        "m=audio 5000 RTP/SAVP 0",
        "m=video 5002 RTP/AVP 96",
        "m=audio 4000 RTP/AVPF 0",
      ),
    );
    expect([both.audioIndex, both.audio.port, both.audio.protocol]).toEqual([3, 4_000, "RTP/AVPF"]);
  });

  it.each([
    ["no audio line", sdp("m=video 4000 RTP/AVP 96"), '304 192.0.2.1 "Media type not available"'],
    ["only refused audio", sdp("m=audio 0 RTP/AVP 0"), '304 192.0.2.1 "Media type not available"'],
    [
      "only encrypted audio",
      sdp("m=audio 4000 RTP/SAVP 0"),
      '302 192.0.2.1 "Incompatible transport protocol"',
    ],
    [
      "an address of the other IP version",
      sdp("m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::1"),
      '301 192.0.2.1 "Incompatible network address formats"',
    ],
    ["no common codec", sdp("m=audio 4000 RTP/AVP 18 3"), '305 192.0.2.1 "Incompatible media format"'],
  ])("is not acceptable with %s", (_title, text, warning) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ code: "SDP_NOT_ACCEPTABLE", context: { warning } }),
    );
  });

  it.each([
    ["nothing", ""],
    ["another text", "INVITE sip:x SIP/2.0\r\n"],
    ["no media", sdp()],
    ["a port out of range", sdp("m=audio 70000 RTP/AVP 0")],
    ["a negative port", sdp("m=audio -1 RTP/AVP 0")],
    ["no formats", sdp("m=audio 4000 RTP/AVP")],
    ["a payload type out of range", sdp("m=audio 4000 RTP/AVP 128")],
    ["a name for an address", sdp("m=audio 4000 RTP/AVP 0", "c=IN IP4 phone.example.com")],
    ["no address", "v=0\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"],
    ["a multicast address", sdp("m=audio 4000 RTP/AVP 0", "c=IN IP4 239.1.2.3")],
    ["a broadcast address", sdp("m=audio 4000 RTP/AVP 0", "c=IN IP4 255.255.255.255")],
    ["17 kB", sdp(audio, `a=${"x".repeat(17_000)}`)],
    ["33 media lines", sdp(...Array<string>(33).fill("m=audio 4000 RTP/AVP 0"))],
  ])("is invalid with %s", (_title, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "SDP_INVALID" }));
  });

  it("never names an RTCP port that does not exist", () => {
    for (const lines of [
      ["m=audio 65535 RTP/AVP 0"],
      ["m=audio 65535 RTP/AVP 0", "a=rtcp:70000"],
      ["m=audio 65535 RTP/AVP 0", "a=rtcp:0"],
    ])
      expect(read(sdp(...lines)).audio.rtcp.port).toBe(65_535);
  });

  it("never fails otherwise, whatever the text", () => {
    const line = fc.oneof(
      fc.constantFrom(
        audio,
        event,
        "a=sendonly",
        "c=IN IP4 0.0.0.0",
        "m=video 1 RTP/AVP 96",
        "a=rtcp:1",
        "a=rtpmap:",
        "m=",
        "a=ptime:x",
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 10 }), (lines) => {
        try {
          answer(sdp(...lines));
        } catch (error) {
          expect(error).toBeInstanceOf(CrossbandError);
        }
      }),
    );
  });
});

describe("our answer", () => {
  it.each([
    ["sendrecv", "sendrecv"],
    ["sendonly", "recvonly"],
    ["recvonly", "sendonly"],
    ["inactive", "inactive"],
  ])("to %s is %s (RFC 3264 §6.1)", (offered, answered) => {
    expect(answer(sdp(audio, `a=${offered}`))).toContain(`a=${answered}`);
  });

  it("takes the direction of the session where the media line gives none", () => {
    expect(answer(["v=0", "c=IN IP4 198.51.100.7", "a=sendonly", audio, ""].join("\r\n"))).toContain(
      "a=recvonly",
    );
  });

  it("to c=0.0.0.0 is inactive (RFC 2543 hold)", () => {
    expect(answer(sdp(audio, "c=IN IP4 0.0.0.0"))).toContain("a=inactive");
  });

  it("names one codec and the phone's own event type", () => {
    const lines = answer(sdp("m=audio 4000 RTP/AVP 8 0 96", "a=rtpmap:96 telephone-event/8000"));
    expect(lines).toContain("m=audio 20000 RTP/AVP 8 96");
    expect(lines).toContain("a=rtpmap:96 telephone-event/8000");
    expect(lines).toContain("a=ptime:20");
  });

  it("mirrors every media line and refuses all but one with port 0", () => {
    const lines = answer(sdp("m=video 5000 RTP/AVP 96 97", audio, "m=application 9 TCP/BFCP *"));
    expect(lines.filter((text) => text.startsWith("m="))).toEqual([
      "m=video 0 RTP/AVP 96 97",
      "m=audio 20000 RTP/AVP 0",
      "m=application 0 TCP/BFCP *",
    ]);
  });

  it("counts its version up when it changes, and only then", () => {
    const writer = new SdpWriter(HOST, 20_000);
    const version = (text: string) => /o=crossband (\d+) (\d+) IN IP4 192\.0\.2\.1/.exec(text)?.slice(1);
    const [first, same, held] = [sdp(audio), sdp(audio), sdp(audio, "a=sendonly")].map((text) =>
      version(writer.answer(read(text))),
    );
    expect(same).toEqual(first);
    expect(held).toEqual([first?.[0], "2"]);
  });

  it("writes an IPv6 address as such", () => {
    expect(new SdpWriter("::1", 20_000).offer()).toContain("c=IN IP6 ::1\r\n");
  });
});
