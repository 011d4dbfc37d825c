import { describe, expect, it } from "vitest";
import { mediaPlaceOf } from "./media-place.ts";

const sdp = (more: readonly string[] = [], version = 1) =>
  ["v=0", `o=- 1 ${version} IN IP4 192.0.2.1`, "s=-", "c=IN IP4 192.0.2.1", "t=0 0", "m=audio 4000 RTP/AVP 0", ...more, ""].join("\r\n"); // prettier-ignore

describe("where a session description wants its media", () => {
  it.each([
    ["a new version of the same", sdp([], 2)],
    ["other line ends", sdp().replaceAll("\r\n", "\n")],
    ["what only describes a codec", sdp(["a=ptime:20"])],
  ])("is the same for %s", (_title, other) => {
    expect(mediaPlaceOf(other)).toBe(mediaPlaceOf(sdp()));
  });

  it.each([
    ["port", sdp().replace("4000", "4002")],
    ["address", sdp().replace("c=IN IP4 192.0.2.1", "c=IN IP4 192.0.2.2")],
    ["address of one medium", sdp(["c=IN IP4 192.0.2.2"])],
    ["direction", sdp(["a=sendonly"])],
    ["payload types", sdp().replace("AVP 0", "AVP 8")],
    ["key", sdp(["a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"])],
  ])("is another with another %s", (_title, other) => {
    expect(mediaPlaceOf(other)).not.toBe(mediaPlaceOf(sdp()));
  });
});
