import { describe, expect, it } from "vitest";
import { linesTaken } from "./lines-taken.ts";

const offer = (...lines: string[]) =>
  ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", ...lines, ""].join("\r\n");
const audio = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=sendrecv"];
const video = (mid: string, direction: string, port = "9") => [
  `m=video ${port} UDP/TLS/RTP/SAVPF 96`,
  `a=mid:${mid}`,
  `a=${direction}`,
];

describe("the lines of an offer that take what we send", () => {
  it("are the audio line and the first video line that receives; slots are not", () => {
    const sdp = offer(
      ...audio,
      ...video("1", "recvonly"),
      ...video("2", "sendonly"),
      ...video("3", "sendonly"),
    );
    expect(linesTaken(sdp)).toEqual({ audio: "0", video: "1" });
  });

  it("leave out refused and inactive lines", () => {
    expect(linesTaken(offer(...video("1", "recvonly", "0"), ...video("2", "inactive")))).toEqual({});
  });

  it("count a line without a direction as both ways (RFC 8866 §6.7)", () => {
    expect(linesTaken(offer("m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:a"))).toEqual({ audio: "a" });
  });

  it("are none in text that is no session description", () => {
    expect(linesTaken("hello")).toEqual({});
  });
});
