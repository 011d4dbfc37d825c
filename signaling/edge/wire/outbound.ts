import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { WireClient } from "./clients.ts";

/** How long an application that listens may take to answer and to name the secret, in ms. */
const CONNECT_MS = 5_000;
const DEFAULT_PORT = 9_021;

/** `host:port`, `host:port;transport=tls`, or `tcp://host:port` and `tls://host:port`, as drachtio-server takes them. */
export interface OutboundAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** Undefined when it is none of the forms. */
export function parseOutbound(uri: string): OutboundAddress | undefined {
  const match =
    /^(?:(tcp|tls):\/\/)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?(?:;transport=(tcp|tls))?$/i.exec(
      uri.trim(),
    );
  if (!match) return undefined;
  const [, scheme = "", host = "", port, transport = ""] = match;
  const number = port === undefined ? DEFAULT_PORT : Number(port);
  if (number < 1 || number > 65_535) return undefined;
  const tls = [scheme, transport].some((name) => name.toLowerCase() === "tls");
  return { host: host.replace(/^\[|\]$/g, ""), port: number, tls };
}

/**
 * Connects to an application that listens (`srf.listen`); it names the secret as one that connects to us does.
 *
 * @param attach serves the socket, and calls back when the application has named the secret
 */
export function connectOutbound(
  address: OutboundAddress,
  attach: (socket: Socket, ready: (client: WireClient) => void) => void,
  tlsOptions: { readonly verify: boolean },
): Promise<WireClient> {
  const { host, port, tls } = address;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error("application does not answer"));
    }, CONNECT_MS);
    const socket: Socket = tls
      ? connectTls({ host, port, rejectUnauthorized: tlsOptions.verify, ...serverName(host) })
      : connectTcp({ host, port });
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    socket.once("close", () => {
      clearTimeout(timer);
      reject(new Error("application closed the connection"));
    });
    attach(socket, (client) => {
      clearTimeout(timer);
      resolve(client);
    });
  });
}

/** An address is no server name (RFC 6066 §3). */
const serverName = (host: string): { servername?: string } => (isIP(host) === 0 ? { servername: host } : {});
