import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CrossbandError } from "#common/errors.ts";
import { Negotiation } from "../negotiation.ts";
import { answeredDirection, offeredLayout } from "./layout.ts";
import { MAX_DESCRIPTION_LENGTH, MAX_LINE_LENGTH, parseDescription } from "./parse-description.ts";
import { readAnswer, readFirstOffer, readReoffer } from "./read-browser.ts";
import type { LocalTransport } from "./write-description.ts";

/** Descriptions that Chromium 156 wrote. */
const corpus = (name: string): string => readFileSync(new URL(`corpus/${name}.sdp`, import.meta.url), "utf8");

const answer = corpus("chromium-answer-camera");
const firstOffer = corpus("chromium-first-offer");
const hold = corpus("chromium-reoffer-hold");
const layout = offeredLayout(2);

const transport: LocalTransport = {
  ice: { ufrag: "icadt358kywi0rb2", pwd: "nh7g78bina5gyo2hn8dspfqltdv2dz9n" },
  fingerprint: { algorithm: "sha-256", value: Array.from({ length: 32 }, () => "AB").join(":") },
  candidates: [
    {
      foundation: "udpcandidate",
      priority: 1_076_302_079,
      address: "127.0.0.1",
      port: 49_520,
      protocol: "udp",
    },
  ],
};

const codeOf = (task: () => unknown): string => {
  try {
    task();
  } catch (error) {
    return error instanceof CrossbandError ? error.code : String(error);
  }
  return "none";
};

describe("a browser's answer to our offer", () => {
  it("tells direction, SSRC, certificate and DTLS part of each line", () => {
    const media = readAnswer(answer, layout);
    expect(media.dtlsRole).toBe("client");
    expect(media.fingerprint.algorithm).toBe("sha-256");
    expect(media.lines.map(({ line, direction, ssrc }) => [line.mid, direction, ssrc])).toEqual([
      ["0", "sendrecv", 719_217_151],
      ["1", "recvonly", 3_846_393_311],
      ["2", "sendonly", undefined],
      ["3", "sendonly", undefined],
    ]);
  });

  it("pairs the retransmission SSRC with its own", () => {
    const paired = answer.replace(
      "a=ssrc:3846393311",
      "a=ssrc-group:FID 3846393311 7\r\na=ssrc:7 cname:x\r\na=ssrc:3846393311",
    );
    // The media SSRC is the first named: FID groups stand before it.
    expect(readAnswer(paired.replace("a=ssrc:7 cname:x\r\n", ""), layout).lines[1]).toMatchObject({
      ssrc: 3_846_393_311,
      retransmissionSsrc: 7,
    });
  });

  const line = (from: string, to: string) => answer.replace(from, to);
  it.each([
    ["no text", "", "SDP_INVALID"],
    ["another version", line("v=0", "v=1"), "SDP_INVALID"],
    ["no origin", line("o=- ", "x=- "), "SDP_INVALID"],
    ["a line without type", line("s=-", "nonsense"), "SDP_INVALID"],
    ["a control character", line("s=-", "s=\0"), "SDP_INVALID"],
    ["a line too long", line("s=-", `s=${"x".repeat(MAX_LINE_LENGTH)}`), "SDP_INVALID"],
    ["too much of everything", answer + "a=x\r\n".repeat(MAX_DESCRIPTION_LENGTH / 5), "SDP_INVALID"],
    ["fewer m-lines", answer.slice(0, answer.lastIndexOf("m=")).replace(" 0 1 2 3", " 0 1 2"), "SDP_INVALID"],
    ["other mids", answer.replaceAll("a=mid:3", "a=mid:9").replace(" 0 1 2 3", " 0 1 2 9"), "SDP_INVALID"],
    ["one mid twice", answer.replaceAll("a=mid:3", "a=mid:2"), "SDP_INVALID"],
    ["another kind of line", line("m=audio", "m=video"), "SDP_INVALID"],
    ["no fingerprint", answer.replace(/a=fingerprint:.*\r\n/g, ""), "SDP_INVALID"],
    ["an empty fingerprint", answer.replace(/a=fingerprint:.*/g, "a=fingerprint:sha-256 "), "SDP_INVALID"],
    ["a short fingerprint", answer.replaceAll(":C3:0A:57", ":C3:0A"), "SDP_INVALID"],
    [
      "only a SHA-1 fingerprint",
      answer.replace(/a=fingerprint:.*/g, `a=fingerprint:sha-1 ${"AA:".repeat(19)}AA`),
      "SDP_INVALID",
    ],
    ["different fingerprints", line(":C3:0A:57", ":C3:0A:58"), "SDP_INVALID"],
    ["no ICE user name", answer.replace(/a=ice-ufrag:.*\r\n/g, ""), "SDP_INVALID"],
    ["a short ICE password", answer.replace(/a=ice-pwd:.*/g, "a=ice-pwd:short"), "SDP_INVALID"],
    ["an open DTLS role", answer.replaceAll("setup:active", "setup:actpass"), "SDP_INVALID"],
    ["an unknown DTLS role", answer.replaceAll("setup:active", "setup:both"), "SDP_INVALID"],
    ["a direction that was not offered", line("a=sendonly", "a=sendrecv"), "SDP_INVALID"],
    ["an SSRC out of range", line("719217151", "4294967296"), "SDP_INVALID"],
    ["SSRC 0", line("719217151", "0"), "SDP_INVALID"],
    ["a payload type out of range", line("SAVPF 111", "SAVPF 300"), "SDP_INVALID"],
    ["an extension id out of range", line("a=extmap:1 ", "a=extmap:0 "), "SDP_INVALID"],
    ["an unknown mid in BUNDLE", line("BUNDLE 0 1 2 3", "BUNDLE 0 1 2 3 4"), "SDP_INVALID"],
    ["a line outside BUNDLE", line("BUNDLE 0 1 2 3", "BUNDLE 0 1 2"), "SDP_NOT_ACCEPTABLE"],
    ["no rtcp-mux", line("a=rtcp-mux\r\n", ""), "SDP_NOT_ACCEPTABLE"],
    ["no Opus", line("opus/48000/2", "PCMU/8000"), "SDP_NOT_ACCEPTABLE"],
    ["plain RTP", line("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "SDP_NOT_ACCEPTABLE"],
    ["every line rejected", answer.replace(/^(m=\w+) 9 /gm, "$1 0 "), "SDP_NOT_ACCEPTABLE"],
  ])("is refused with %s", (_title, text, code) => {
    expect(codeOf(() => readAnswer(text, layout))).toBe(code);
  });
});

describe("a browser's offer", () => {
  it("within the call is read with our codecs among all it knows, hold included", () => {
    const [sound] = readReoffer(hold, offeredLayout(0).slice(0, 1)).lines;
    expect(sound?.direction).toBe("recvonly");
  });

  it("that opens the call gives its sound line, its own extension ids, and rejects the rest", () => {
    const withVideo = `${firstOffer.replace("BUNDLE 0", "BUNDLE 0 1")}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n`;
    const media = readFirstOffer(withVideo);
    expect(media.lines.map(({ line, direction }) => [line.mid, line.role, direction])).toEqual([
      ["0", "audio", "sendrecv"],
      ["1", "rejected", "inactive"],
    ]);
    expect(media.lines[0]?.extensions.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ["Opus by another number", firstOffer.replaceAll("111", "109")],
    ["no sound at all", firstOffer.replace("m=audio 9", "m=audio 0")],
  ])("with %s is not acceptable, with the reason for a Warning", (_title, text) => {
    expect(() => readFirstOffer(text)).toThrow(
      expect.objectContaining({
        code: "SDP_NOT_ACCEPTABLE",
        context: { warning: expect.any(String) as string },
      }) as Error,
    );
  });

  it("with fewer m-lines than before is invalid", () => {
    expect(codeOf(() => readReoffer(hold, layout))).toBe("SDP_INVALID");
  });

  it("may add lines, which are rejected", () => {
    const added = `${hold}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\n`;
    const negotiation = new Negotiation("1");
    const media = readReoffer(added, offeredLayout(0).slice(0, 1));
    const text = negotiation.answer(media, transport, () => undefined);
    expect(text).toContain("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n");
    expect(text).toContain("a=group:BUNDLE 0\r\n");
  });
});

describe("our descriptions", () => {
  it("keep the session id and raise the version", () => {
    const negotiation = new Negotiation("596145049");
    expect(negotiation.offer(transport)).toContain("o=- 596145049 1 IN IP4 127.0.0.1\r\n");
    expect(negotiation.offer(transport)).toContain("o=- 596145049 2 IN IP4 127.0.0.1\r\n");
  });

  it("offer sound both ways, the camera up and four slots down, with no SSRC in a slot", () => {
    const { sections, bundle } = parseDescription(new Negotiation("1").offer(transport));
    expect(bundle).toEqual(["0", "1", "2", "3", "4", "5"]);
    expect(sections.map(({ kind, direction }) => `${kind} ${direction}`)).toEqual([
      "audio sendrecv",
      "video recvonly",
      ...Array.from({ length: 4 }, () => "video sendonly"),
    ]);
    expect(sections.flatMap(({ ssrcs }) => ssrcs)).toEqual([]);
  });

  it("carry the same extension ids on every line", () => {
    const { sections } = parseDescription(new Negotiation("1").offer(transport));
    const ids = new Map<string, number>();
    for (const { id, uri } of sections.flatMap(({ extensions }) => extensions)) {
      expect(ids.get(uri) ?? id).toBe(id);
      ids.set(uri, id);
    }
    expect(new Set(ids.values()).size).toBe(ids.size);
  });

  it("answer with the browser's ids, passively, and with the SSRC that it is told", () => {
    const negotiation = new Negotiation("1");
    const text = negotiation.answer(negotiation.readOffer(firstOffer), transport, () => 42);
    expect(text).toContain("a=setup:passive\r\n");
    expect(text).toContain("a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n");
    expect(text).toContain("a=ssrc:42 cname:mix\r\n");
  });

  it("stay within what the line is for, whatever the browser offers", () => {
    expect(answeredDirection("slot", "sendrecv")).toBe("sendonly");
    expect(answeredDirection("camera", "sendrecv")).toBe("recvonly");
    expect(answeredDirection("slot", "sendonly")).toBe("inactive");
    expect(answeredDirection("audio", "sendonly")).toBe("recvonly");
  });
});

describe("whatever text arrives", () => {
  const octets = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
  const readers = [
    (text: string) => parseDescription(text),
    (text: string) => readAnswer(text, layout),
    (text: string) => readFirstOffer(text),
    (text: string) => readReoffer(text, layout),
  ];
  const safe = (text: string): void => {
    for (const read of readers) {
      try {
        read(text);
      } catch (error) {
        expect(error).toBeInstanceOf(CrossbandError);
      }
    }
  };

  it("is read or refused, and nothing else: any text", () => {
    fc.assert(fc.property(octets, safe));
  });

  it("is read or refused: real descriptions with lines dropped, doubled, moved or changed", () => {
    const mutation = fc.record({
      at: fc.nat(200),
      kind: fc.constantFrom("drop", "double", "swap", "cut", "write"),
      text: fc.oneof(
        fc.string({ maxLength: 20 }),
        fc.constantFrom("a=ssrc:", "m=", "a=group:BUNDLE", "a=mid:__proto__", "a=constructor:x"),
      ),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(answer, firstOffer, hold),
        fc.array(mutation, { minLength: 1, maxLength: 6 }),
        (source, mutations) => {
          const lines = source.split("\r\n");
          for (const { at, kind, text } of mutations) {
            const index = at % lines.length;
            const [old = "", next = ""] = lines.slice(index);
            if (kind === "drop") lines.splice(index, 1);
            else if (kind === "double") lines.splice(index, 0, old);
            else if (kind === "swap") lines.splice(index, 2, next, old);
            else if (kind === "cut") lines[index] = old.slice(0, text.length);
            else lines[index] = old.slice(0, 2) + text;
          }
          safe(lines.join("\r\n"));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("takes time in proportion to its length", () => {
    const long = `${answer.slice(0, answer.indexOf("m="))}${`a=extmap:1 ${" ".repeat(2_000)}\r\n`.repeat(30)}`;
    const start = performance.now();
    safe(long);
    expect(performance.now() - start).toBeLessThan(500);
  });
});
