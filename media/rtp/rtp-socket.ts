import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { PortPool } from "./port-pool.ts";

/** What arrives on a pair of ports. Called on every datagram: must not throw. */
export interface RtpReceiver {
  rtp(datagram: Buffer, from: RemoteInfo): void;
  rtcp(datagram: Buffer, from: RemoteInfo): void;
}

/** Datagrams that wait in the kernel while the thread is busy, in octets: half a second of one phone, many times over. */
const RECEIVE_BUFFER = 262_144;

/** RTP on an even port and RTCP on the next: one leg's pair of sockets. */
export class RtpSocket {
  readonly port: number;
  readonly #rtp: Socket;
  readonly #rtcp: Socket;
  readonly #pool: PortPool;
  #closed = false;

  private constructor(port: number, rtp: Socket, rtcp: Socket, pool: PortPool) {
    this.port = port;
    this.#rtp = rtp;
    this.#rtcp = rtcp;
    this.#pool = pool;
  }

  /**
   * Binds the next free pair of the pool; pairs that another process holds are passed over.
   *
   * @throws CrossbandError PORTS_EXHAUSTED
   */
  static async open(pool: PortPool, host: string, receiver: RtpReceiver): Promise<RtpSocket> {
    for (;;) {
      const port = pool.take(Date.now());
      let rtp: Socket | undefined;
      try {
        rtp = await bind(host, port, (datagram, from) => {
          receiver.rtp(datagram, from);
        });
        const rtcp = await bind(host, port + 1, (datagram, from) => {
          receiver.rtcp(datagram, from);
        });
        return new RtpSocket(port, rtp, rtcp, pool);
      } catch (cause) {
        rtp?.close();
        pool.release(port, Date.now());
        if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE")
          throw new CrossbandError(
            ErrorCode.WorkerUnavailable,
            "cannot open an RTP port",
            { host, port },
            { cause },
          );
      }
    }
  }

  sendRtp(packet: Buffer, to: { readonly address: string; readonly port: number }): void {
    if (!this.#closed) this.#rtp.send(packet, to.port, to.address, ignore);
  }

  sendRtcp(packet: Buffer, to: { readonly address: string; readonly port: number }): void {
    if (!this.#closed) this.#rtcp.send(packet, to.port, to.address, ignore);
  }

  /** Closes both sockets; the ports rest before they are used again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#rtp.close();
    this.#rtcp.close();
    this.#pool.release(this.port, Date.now());
  }
}

/** An unreachable phone is noticed by its silence, not by each datagram that fails. */
const ignore = (): void => undefined;

function bind(
  host: string,
  port: number,
  onMessage: (datagram: Buffer, from: RemoteInfo) => void,
): Promise<Socket> {
  const family = isIPv6(host) ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? "udp6" : "udp4",
    recvBufferSize: RECEIVE_BUFFER,
    // Addresses here are always numeric: no look-up, so none is queued for each packet.
    lookup: (hostname, _options, callback) => {
      callback(null, hostname, family);
    },
  });
  return new Promise((resolve, reject) => {
    socket.once("error", (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(port, host, () => {
      socket.removeAllListeners("error");
      socket.on("error", ignore);
      socket.on("message", onMessage);
      resolve(socket);
    });
  });
}
