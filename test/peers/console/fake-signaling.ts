import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import type { InstanceCard } from "#state/instance/instance.ts";

/** A talk group's offer as the media tier makes it, with a peer that never answers: signaling alone is tested with it. */
const offer = [
  "v=0",
  "o=- 596145049 1 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=ice-lite",
  "a=group:BUNDLE 0 1 2",
  "a=ice-ufrag:icadt358kywi0rb2zky6lvp2asierklg",
  "a=ice-pwd:nh7g78bina5gyo2hn8dspfqltdv2dz9n",
  "a=fingerprint:sha-256 84:06:6A:FD:4A:E7:9A:FA:05:8A:AD:4E:48:65:6D:24:D6:C9:1A:82:02:5C:0D:75:AD:DD:AF:04:E2:16:36:10",
  "a=setup:actpass",
  ...section(
    "audio",
    "111",
    "0",
    "sendrecv",
    "opus/48000/2",
    "a=candidate:1 1 udp 1076302079 127.0.0.1 9 typ host",
  ),
  ...section("video", "96", "1", "recvonly", "VP8/90000"),
  ...section("video", "96", "2", "sendonly", "VP8/90000", "a=msid:s2 t2"),
  "",
].join("\r\n");

function section(
  kind: string,
  payload: string,
  mid: string,
  direction: string,
  codec: string,
  ...more: string[]
): string[] {
  return [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payload}`,
    "c=IN IP4 127.0.0.1",
    `a=mid:${mid}`,
    `a=${direction}`,
    "a=rtcp-mux",
    `a=rtpmap:${payload} ${codec}`,
    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
    ...more,
  ];
}

/** A signaling process's WebSocket listener that registers everybody and answers every INVITE, but for refused groups. */
export async function startFakeSignaling() {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "sip" });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const requests: string[] = [];
  const refused = new Map<string, number>();
  let legs = 0;

  server.on("connection", (socket: WebSocket) => {
    socket.on("message", (data: Buffer) => {
      const text = data.toString();
      if (text.trim() === "") {
        socket.send("\r\n");
        return;
      }
      requests.push(text);
      const reply = answerTo(text);
      if (reply !== undefined) socket.send(reply);
    });
  });

  const answerTo = (text: string): string | undefined => {
    const [, method = "", uri = ""] = /^(\w+) (\S+) SIP\/2\.0/.exec(text) ?? [];
    const header = (name: string): string =>
      new RegExp(`^${name}: *(.*)$`, "im").exec(text)?.[1]?.trim() ?? "";
    const respond = (status: string, more: string[] = [], body = "", tag = ""): string =>
      [
        `SIP/2.0 ${status}`,
        ...[...text.matchAll(/^Via: .*$/gim)].map(([line]) => line.trim()),
        `From: ${header("From")}`,
        `To: ${header("To")}${tag && !header("To").includes(";tag=") ? `;tag=${tag}` : ""}`,
        `Call-ID: ${header("Call-ID")}`,
        `CSeq: ${header("CSeq")}`,
        ...more,
        `Content-Length: ${Buffer.byteLength(body)}`,
        "",
        body,
      ].join("\r\n");
    switch (method) {
      case "REGISTER":
        return respond("200 OK", [`Contact: ${header("Contact")}`], "", "registrar");
      case "INVITE": {
        const group = /sip:([^@]+)@/.exec(uri)?.[1] ?? "";
        const status = refused.get(group);
        if (status !== undefined) return respond(`${status} Refused`, [], "", "none");
        const type = ["Contact: <sip:crossband@127.0.0.1;transport=ws>", "Content-Type: application/sdp"];
        return respond("200 OK", type, offer, `leg-${++legs}`);
      }
      case "BYE":
      case "CANCEL":
        return respond("200 OK");
      default:
        return undefined;
    }
  };

  const card: InstanceCard = {
    role: "signaling",
    instance: `fake-${port}`,
    pid: process.pid,
    listeners: { ws: `127.0.0.1:${port}` },
    load: 0,
    draining: false,
  };
  return {
    card,
    /** Every request so far, as it came. */
    requests,
    /** Groups that are refused, with the status. */
    refused,
    lastLeg: () => `leg-${legs}`,
    stop(): void {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  };
}
