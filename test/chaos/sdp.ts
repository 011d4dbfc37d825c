import { isWebrtc, type Transport } from "./transports.ts";

/** Where nobody minds packets. */
const HOST = "127.0.1.1";
const BROWSER_LINES = [
  "c=IN IP4 0.0.0.0", "a=ice-ufrag:chao", "a=ice-pwd:chaoschaoschaoschaosch",
  `a=fingerprint:sha-256 ${Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, "0")).join(":").toUpperCase()}`,
  "a=sendrecv", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2", "a=ssrc:7 cname:chaos",
]; // prettier-ignore

const lines = (...all: string[]): string => [...all, ""].join("\r\n");

/** An offer of a phone, or of a browser that never comes to send. */
export function offerOn(transport: Transport, version: number): string {
  if (!isWebrtc(transport))
    return lines("v=0", `o=- 7 ${version} IN IP4 ${HOST}`, "s=-", `c=IN IP4 ${HOST}`, "t=0 0", "m=audio 9 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=sendrecv"); // prettier-ignore
  const head = ["v=0", `o=- 7 ${version} IN IP4 127.0.0.1`, "s=-", "t=0 0", "a=group:BUNDLE 0"];
  return lines(...head, "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=setup:actpass", ...BROWSER_LINES);
}

/** The answer to an offer of the server's: a browser takes the sound and nothing else. */
export function answerOn(transport: Transport, offer: string): string {
  if (!isWebrtc(transport)) return offerOn(transport, 1);
  const [, ...sections] = offer.split(/^m=/m);
  const mids = sections.map((section) => /^a=mid:(\S+)/m.exec(section)?.[1] ?? "");
  const sound = sections.findIndex((section) => section.startsWith("audio"));
  const answered = sections.flatMap((section, i) =>
    i === sound
      ? ["m=audio 9 UDP/TLS/RTP/SAVPF 111", `a=mid:${mids[i] ?? ""}`, "a=setup:active", ...BROWSER_LINES]
      : [`m=${(section.split(/\r?\n/)[0] ?? "").replace(/ \d+ /, " 0 ")}`, `a=mid:${mids[i] ?? ""}`, "a=inactive"],
  ); // prettier-ignore
  return lines(
    "v=0",
    "o=- 7 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mids[sound] ?? "0"}`,
    ...answered,
  );
}
