import { readFileSync } from "node:fs";
import { isIP, type AddressInfo, type Socket } from "node:net";
import { connect, createServer, rootCertificates, type ConnectionOptions } from "node:tls";
import type { Config } from "#common/config.ts";
import type { Certificates } from "#state/certificate/certificates.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { plainAddress } from "./address.ts";
import type { Connection } from "./connections.ts";
import { shareConnects } from "./share-connects.ts";
import { provesDomain } from "./sip-identity.ts";
import { attachStream, type StreamContext } from "./stream-connection.ts";
import { cannotConnect, closeServer, CONNECT_MS, listenShared, type StreamTransport } from "./tcp.ts";

/** A peer that does not finish its handshake is let go. */
const HANDSHAKE_MS = 5_000;
/** Handshakes under way at once: each costs processor time and memory before anybody has said who he is. */
const MAX_HANDSHAKES = 512;

/** Opens the TLS port (RFC 3261 §26.2), shared with the other signaling processes of this machine. */
export async function openTls(
  host: string,
  port: number,
  settings: Config["sip"]["tls"],
  certificates: Certificates,
  context: StreamContext,
): Promise<StreamTransport> {
  const { connections, counters, log } = context;
  const handshakes = new Set<string>();
  const server = createServer({ ...certificates.serverOptions, handshakeTimeout: HANDSHAKE_MS });
  server.on("connection", (socket) => {
    const remote = remoteOf(socket);
    if (handshakes.size >= MAX_HANDSHAKES || !connections.mayOpen(plainAddress(socket.remoteAddress ?? ""))) {
      counters["connection-refused"]++;
      socket.destroy();
      return;
    }
    handshakes.add(remote);
    socket.once("close", () => handshakes.delete(remote));
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
  });
  server.on("secureConnection", (socket) => {
    handshakes.delete(remoteOf(socket));
    attachStream(socket, "tls", context);
  });
  server.on("tlsClientError", (error, socket) => {
    counters["handshake-failed"]++;
    log.debug({ error: String(error) }, "tls handshake failed");
    socket.destroy();
  });
  await listenShared(server, host, port);
  server.on("error", (error) => {
    log.error({ error: String(error) }, "tls listener failed");
  });
  certificates.onChange(() => {
    const { minVersion, cert, key } = certificates.serverOptions;
    server.setSecureContext({
      ...(minVersion && { minVersion }),
      ...(cert && { cert }),
      ...(key && { key }),
    });
  });
  const authorities = authoritiesOf(settings);
  // A connection that a peer opened proves nothing about its name, so only those that we opened are used for requests.
  const opened = new Map<string, Connection>();
  const keyOf = (flow: Flow): string => `${flow.host}:${flow.port} ${flow.name ?? flow.host}`;

  const open = (flow: Flow): Promise<Connection> =>
    new Promise((resolve, reject) => {
      const name = flow.name ?? flow.host;
      const { certificate, key } = certificates.own;
      const options: ConnectionOptions = {
        host: flow.host,
        port: flow.port,
        minVersion: "TLSv1.2",
        // Servers that ask for a certificate get ours.
        cert: certificate,
        key,
        ca: authorities,
        rejectUnauthorized: settings.checkPeers === "always",
        ...(isIP(name) === 0 && { servername: name }),
        checkServerIdentity: (_host, peer) =>
          provesDomain(peer, name) ? undefined : new Error(`certificate does not name ${name}`),
      };
      const socket = connect(options);
      const fail = (cause?: Error): void => {
        socket.destroy();
        if (cause) log.warn({ error: cause.message, host: flow.host, name }, "tls peer not reached");
        reject(cannotConnect(flow, cause));
      };
      socket.setTimeout(CONNECT_MS, fail);
      socket.once("error", fail);
      socket.once("secureConnect", () => {
        socket.off("error", fail);
        socket.removeAllListeners("timeout");
        socket.setNoDelay(true);
        const connection = attachStream(socket, "tls", context);
        if (!connection) {
          fail();
          return;
        }
        opened.set(keyOf(flow), connection);
        socket.once("close", () => {
          if (opened.get(keyOf(flow)) === connection) opened.delete(keyOf(flow));
        });
        resolve(connection);
      });
    });

  return {
    port: (server.address() as AddressInfo).port,
    connectTo: shareConnects((flow) => opened.get(keyOf(flow)), open),
    stop: () => {
      server.close();
    },
    close: () => closeServer(server),
  };
}

const remoteOf = (socket: Socket): string => `${socket.remoteAddress ?? ""} ${socket.remotePort ?? 0}`;

/** Undefined for those that Node knows. */
const authoritiesOf = ({ authorities }: Config["sip"]["tls"]): string[] | undefined =>
  authorities === undefined ? undefined : [...rootCertificates, readFileSync(authorities, "utf8")];
