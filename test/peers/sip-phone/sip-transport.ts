import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type AddressInfo, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";

/** Bytes to and from one SIP server. */
export interface SipTransport {
  readonly protocol: "UDP" | "TCP" | "TLS" | "WS" | "WSS";
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

/**
 * One connection to the server; everything is sent over it, whatever address is asked for.
 *
 * @param onClosed told when the other side, or the network, has ended it
 */
export async function openTcp(
  host: string,
  server: { host: string; port: number },
  onMessage: OnMessage,
  onClosed: () => void = () => undefined,
): Promise<SipTransport> {
  const socket = connect({ host: server.host, port: server.port, localAddress: host, noDelay: true });
  await once(socket, "connect");
  return overStream("TCP", host, socket, onMessage, onClosed);
}

/** The same over TLS; whose certificate it is does not matter here. */
export async function openTls(
  host: string,
  server: { host: string; port: number },
  onMessage: OnMessage,
  onClosed: () => void = () => undefined,
): Promise<SipTransport> {
  const socket = connectTls({ host: server.host, port: server.port, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  return overStream("TLS", host, socket, onMessage, onClosed);
}

function overStream(
  protocol: "TCP" | "TLS",
  host: string,
  socket: Socket,
  onMessage: OnMessage,
  onClosed: () => void,
): SipTransport {
  const { port } = socket.address() as AddressInfo;
  socket.on("error", () => undefined);
  socket.on("data", sipFraming(onMessage));
  socket.on("close", onClosed);
  return {
    protocol,
    host,
    port,
    send(data) {
      socket.write(data);
    },
    close: once1(() => {
      socket.off("close", onClosed);
      socket.destroy();
    }),
  };
}

/** SIP over WebSocket (RFC 7118): a message a frame, and a name that leads nowhere as our own address. */
export async function openWs(
  protocol: "WS" | "WSS",
  server: { host: string; port: number },
  onMessage: OnMessage,
  onClosed: () => void = () => undefined,
): Promise<SipTransport> {
  const url = `${protocol.toLowerCase()}://${server.host}:${server.port}/sip`;
  const socket = new WebSocket(url, "sip", { rejectUnauthorized: false });
  socket.on("error", () => undefined);
  await once(socket, "open");
  socket.on("message", (data: Buffer) => {
    onMessage(data.toString("utf8"));
  });
  socket.on("close", onClosed);
  return {
    protocol,
    host: "phone.invalid",
    port: 0,
    send(data) {
      if (socket.readyState === WebSocket.OPEN) socket.send(data);
    },
    close: once1(() => {
      socket.off("close", onClosed);
      socket.terminate();
    }),
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
