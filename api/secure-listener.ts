import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Certificates } from "#state/certificate/certificates.ts";

/** A client that does not finish its handshake, or its request's head, is let go, in ms. */
const HANDSHAKE_MS = 5_000;
const HEAD_MS = 10_000;

export interface SecureListener {
  /** `host:port`. */
  readonly address: string;
  close(): Promise<void>;
}

interface Handlers {
  readonly request: (request: IncomingMessage, response: ServerResponse) => void;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/**
 * The same pages, API and WebSockets over TLS: a browser on another machine gives its microphone to nothing else, and SIP
 * over `wss://host:port/sip` comes with it.
 */
export async function openSecureListener(
  host: string,
  port: number,
  certificates: Certificates,
  handlers: Handlers,
): Promise<SecureListener> {
  const server: Server = createServer(
    {
      ...certificates.serverOptions,
      handshakeTimeout: HANDSHAKE_MS,
      headersTimeout: HEAD_MS,
      requestTimeout: HEAD_MS,
    },
    handlers.request,
  );
  server.on("upgrade", handlers.upgrade);
  // Whoever speaks no TLS, or trusts no certificate of ours, ends here and nowhere else.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  certificates.onChange(() => {
    const { cert, key } = certificates.serverOptions;
    server.setSecureContext({ minVersion: "TLSv1.2", ...(cert && { cert }), ...(key && { key }) });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const at = server.address() as AddressInfo;
  return {
    address: `${at.family === "IPv6" ? `[${at.address}]` : at.address}:${at.port}`,
    close: () =>
      new Promise((resolve) => {
        certificates.close();
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
