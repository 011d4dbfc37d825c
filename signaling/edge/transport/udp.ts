import { createSocket, type Socket } from "node:dgram";
import { isIPv4, isIPv6 } from "node:net";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { TransportCounters } from "./counters.ts";
import type { Ingress } from "./ingress.ts";
import { plainAddress } from "./address.ts";
import { stunAnswer } from "./stun.codec.ts";

/** The default of the kernel holds under 200 packets: one burst or one pause of the collector would drop silently. */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;

export interface UdpTransport {
  readonly port: number;
  send(flow: Flow, bytes: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens the UDP port, shared with the other signaling processes of this machine. */
export async function openUdp(
  host: string,
  port: number,
  ingress: Ingress,
  counters: TransportCounters,
  log: Logger,
): Promise<UdpTransport> {
  const type = isIPv6(host) ? "udp6" : "udp4";
  const family = type === "udp6" ? 6 : 4;
  // A dual-stack socket takes addresses of IPv4 only as IPv6 writes them (RFC 4291 §2.5.5.2).
  const dialled = (address: string): string =>
    family === 6 && isIPv4(address) ? `::ffff:${address}` : address;
  const socket = createSocket({
    type,
    reusePort: true,
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Flows hold addresses, so nothing is to be looked up on the way out.
    lookup: (name, _options, callback) => {
      callback(null, name, family);
    },
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, host, () => {
      socket.off("error", reject);
      resolve();
    });
  });
  socket.on("error", (error) => {
    log.error({ error: String(error) }, "udp socket failed");
  });
  warnOfSmallBuffer(socket, log);
  socket.on("message", (packet, remote) => {
    ingress.shedder?.noteRead(true);
    const flow: Flow = { transport: "udp", host: plainAddress(remote.address), port: remote.port };
    const stun = stunAnswer(packet, flow.host, flow.port);
    if (stun || isKeepalive(packet)) {
      counters.keepalive++;
      if (stun) socket.send(stun, remote.port, remote.address, ignore);
      return;
    }
    ingress.receive(withoutLeadingLines(packet.toString("latin1")), flow);
  });

  let closed = false;
  return {
    port: socket.address().port,
    send: (flow, bytes) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new CrossbandError(ErrorCode.FlowGone, "socket is closed"));
          return;
        }
        socket.send(Buffer.from(bytes, "latin1"), flow.port, dialled(flow.host), (error) => {
          if (!error) {
            counters.sent++;
            resolve();
            return;
          }
          counters["send-failed"]++;
          reject(
            new CrossbandError(
              ErrorCode.FlowGone,
              "datagram not sent",
              { host: flow.host },
              { cause: error },
            ),
          );
        });
      }),
    close: () =>
      new Promise((resolve) => {
        if (closed) {
          resolve();
          return;
        }
        closed = true;
        socket.close(resolve);
      }),
  };
}

const ignore = (): void => undefined;

/** Empty packets, zeros and CRLFs keep bindings of NATs open. */
const isKeepalive = (packet: Buffer): boolean =>
  packet.length <= 4 && packet.every((byte) => byte === 0 || byte === 0x0d || byte === 0x0a);

/** RFC 3261 §7.5: line ends before the start line are ignored. */
const withoutLeadingLines = (text: string): string =>
  text.startsWith("\r\n") ? text.replace(/^(?:\r\n)+/, "") : text;

function warnOfSmallBuffer(socket: Socket, log: Logger): void {
  const bytes = socket.getRecvBufferSize();
  // Linux reports twice what was asked for.
  if (bytes < RECEIVE_BUFFER_BYTES)
    log.warn({ bytes, wanted: RECEIVE_BUFFER_BYTES }, "udp receive buffer is small: raise net.core.rmem_max");
}
