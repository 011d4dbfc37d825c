import { createSocket } from "node:dgram";
import { once } from "node:events";

/**
 * A socket that sends every RTP packet back to where it came from, and the description that answers `offer` with it. The
 * first payload type of the offer is taken as it is: what comes back is what was sent.
 */
export async function openEcho(host, offer) {
  const socket = createSocket("udp4");
  socket.on("error", () => socket.close());
  socket.on("message", (packet, from) => socket.send(packet, from.port, from.address));
  socket.bind(0, host);
  await once(socket, "listening");
  const { port } = socket.address();
  const payloadType = /^m=audio \d+ \S+ (\d+)/m.exec(offer)?.[1] ?? "0";
  const rtpmap = new RegExp(`^a=rtpmap:${payloadType} .*$`, "m").exec(offer)?.[0];
  const lines = [
    "v=0",
    `o=- ${port} 1 IN IP4 ${host}`,
    "s=echo",
    `c=IN IP4 ${host}`,
    "t=0 0",
    `m=audio ${port} RTP/AVP ${payloadType}`,
    ...(rtpmap ? [rtpmap] : []),
    "a=sendrecv",
  ];
  return { sdp: `${lines.join("\r\n")}\r\n`, close: () => socket.close() };
}
