import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";

/** Bytes to and from one SIP server. */
export interface SipTransport {
  readonly protocol: "UDP" | "TCP";
  /** Our own address, for Via and Contact. */
  readonly host: string;
  readonly port: number;
  send(data: string | Uint8Array, to: { host: string; port: number }): void;
  close(): void;
}

type OnMessage = (text: string) => void;

/** Messages longer than this are given up on, in bytes. */
const MAX_BUFFER = 1 << 20;

export async function openUdp(host: string, onMessage: OnMessage, port = 0): Promise<SipTransport> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.bind(port, host);
  await once(socket, "listening");
  // A refused datagram shows as an error on the next call: the transaction's own deadline reports it.
  socket.on("error", () => undefined);
  socket.on("message", (data) => {
    if (data.length > 4) onMessage(data.toString("utf8"));
  });
  return {
    protocol: "UDP",
    host,
    port: socket.address().port,
    send(data, to) {
      socket.send(data, to.port, to.host);
    },
    close: once1(() => socket.close()),
  };
}

/** One connection to the server; everything is sent over it, whatever address is asked for. */
export async function openTcp(
  host: string,
  server: { host: string; port: number },
  onMessage: OnMessage,
  onClosed: () => void = () => undefined,
): Promise<SipTransport> {
  const socket = connect({ host: server.host, port: server.port, localAddress: host, noDelay: true });
  await once(socket, "connect");
  const { port } = socket.address() as AddressInfo;
  const framing = sipFraming(onMessage);
  socket.on("error", () => undefined);
  socket.on("data", framing);
  socket.on("close", onClosed);
  return {
    protocol: "TCP",
    host,
    port,
    send(data) {
      socket.write(data);
    },
    close: once1(() => socket.destroy()),
  };
}

/** Cuts a byte stream into SIP messages by Content-Length (RFC 3261 §18.3); CRLF keepalives are skipped. */
export function sipFraming(onMessage: OnMessage): (chunk: Buffer) => void {
  let buffer = Buffer.alloc(0);
  return (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      let start = 0;
      while (buffer[start] === 0x0d || buffer[start] === 0x0a) start++;
      buffer = buffer.subarray(start);
      const end = buffer.indexOf("\r\n\r\n");
      if (end < 0) break;
      const length = Number(
        /^(?:content-length|l)\s*:\s*(\d+)/im.exec(buffer.toString("latin1", 0, end))?.[1] ?? 0,
      );
      if (buffer.length < end + 4 + length) break;
      onMessage(buffer.toString("utf8", 0, end + 4 + length));
      buffer = buffer.subarray(end + 4 + length);
    }
    if (buffer.length > MAX_BUFFER) buffer = Buffer.alloc(0);
  };
}

function once1(task: () => void): () => void {
  let done = false;
  return () => {
    if (!done) task();
    done = true;
  };
}
