import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect as connectTcp, createServer as createTcp, type AddressInfo, type Server, type Socket } from "node:net"; // prettier-ignore
import { connect as connectTls, createServer as createTls } from "node:tls";
import type { KeyPair } from "#common/certificate/self-signed.ts";
import { createStreamFramer } from "#signaling/edge/transport/stream-framer.codec.ts";

/** Where a message came from, and may be answered. */
export interface From {
  readonly address: string;
  readonly port: number;
  /** Of a stream: the connection that it came over. */
  readonly socket?: Socket;
}

/** How a carrier of the tests sends and receives. */
export interface Wire {
  readonly transport: "udp" | "tcp" | "tls";
  readonly port: number;
  onText: (text: string, from: From) => void;
  send(text: string, to: From): void;
  close(): void;
}

/** A wire whose connections a test may break. */
export interface StreamWire extends Wire {
  /** Connections that peers have opened since the start. */
  readonly accepted: number;
  /** Closes every connection, of either side's making. */
  drop(): void;
  /** Takes no connections any more, until it listens again on the same port. */
  refuse(): Promise<void>;
  listen(): Promise<void>;
}

/** One UDP socket. */
export async function openUdpWire(host: string, port: number): Promise<Wire> {
  const socket = createSocket("udp4");
  socket.bind(port, host);
  await once(socket, "listening");
  const wire: Wire = {
    transport: "udp",
    port: socket.address().port,
    onText: () => undefined,
    send(text, to) {
      socket.send(Buffer.from(text, "latin1"), to.port, to.address);
    },
    close: () => void socket.close(),
  };
  socket.on("message", (packet, from) => {
    wire.onText(packet.toString("latin1"), from);
  });
  return wire;
}

/**
 * A port that takes connections. Answers go over the connection that the request came by while it is there; else, and for
 * requests, over one to the address: opened when there is none.
 *
 * @param identity makes it TLS; connections of its own making trust any server
 */
export async function openStreamWire(host: string, port: number, identity?: KeyPair): Promise<StreamWire> {
  const sockets = new Set<Socket>();
  const opened = new Map<string, Socket>();
  let accepted = 0;
  let bound = port;
  let server: Server | undefined;

  const attach = (socket: Socket): Socket => {
    const framer = createStreamFramer(65_535);
    sockets.add(socket);
    socket.on("data", (chunk) => {
      for (const item of framer.push(chunk.toString("latin1")))
        if (item.kind === "message")
          wire.onText(item.text, {
            address: socket.remoteAddress ?? "",
            port: socket.remotePort ?? 0,
            socket,
          });
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      for (const [key, one] of opened) if (one === socket) opened.delete(key);
    });
    return socket;
  };
  const listen = async (): Promise<void> => {
    const made = identity
      ? createTls({ cert: identity.certificate, key: identity.key }, attach)
      : createTcp(attach);
    made.on("connection", () => accepted++);
    made.on("tlsClientError", () => undefined);
    made.listen(bound, host);
    await once(made, "listening");
    bound = (made.address() as AddressInfo).port;
    server = made;
  };
  const to = ({ address, port: at }: From): Socket => {
    const key = `${address}:${at}`;
    const known = opened.get(key);
    if (known) return known;
    const options = { host: address, port: at, localAddress: host };
    const socket = attach(
      identity ? connectTls({ ...options, rejectUnauthorized: false }) : connectTcp(options),
    );
    opened.set(key, socket);
    return socket;
  };
  const drop = (): void => {
    opened.clear();
    for (const socket of sockets) socket.destroy();
  };
  await listen();
  const wire: StreamWire = {
    transport: identity ? "tls" : "tcp",
    get port() {
      return bound;
    },
    get accepted() {
      return accepted;
    },
    onText: () => undefined,
    send(text, given) {
      const socket = given.socket?.writable ? given.socket : to(given);
      socket.write(text, "latin1");
    },
    drop,
    async refuse() {
      const closing = server && once(server, "close");
      server?.close();
      drop();
      await closing;
    },
    listen,
    close() {
      server?.close();
      drop();
    },
  };
  return wire;
}
