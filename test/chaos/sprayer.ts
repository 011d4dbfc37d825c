import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { matches, nameOf, readPacket, type CallMark, type Packet, type Pattern } from "./packet.ts";

const HOST = "127.0.0.1";

/** An instance as the sprayer sees it. */
export interface Target {
  readonly name: string;
  readonly port: number;
  readonly up: boolean;
}

/** A message on its way, for those who want to know what a lost call saw. */
export interface Seen {
  readonly atMs: number;
  readonly packet: Packet;
  readonly inbound: boolean;
  readonly instance: string;
  /** Sent to an instance that was dead. */
  readonly lost: boolean;
}

/** A message of a call that must meet one instance, because that instance shall die of it. */
export interface Steer extends CallMark {
  readonly pattern: Pattern;
  readonly to: string;
}

/**
 * The cluster's one UDP address. Every datagram of a peer goes to an instance picked at random; a peer has a socket of its
 * own towards the instances, so that they tell peers apart by address, as behind an address translator. An instance that
 * died loses the one datagram that finds its port closed, and is left out from then on: what a balancer learns from ICMP.
 */
export class Sprayer {
  readonly port: number;
  steers: readonly Steer[] = [];
  onSeen: (seen: Seen) => void = () => undefined;
  private readonly front: Socket;
  private readonly peers = new Map<string, Promise<Socket>>();
  private readonly targets: () => readonly Target[];
  private readonly leftOut = new Set<string>();

  private constructor(front: Socket, targets: () => readonly Target[]) {
    this.front = front;
    this.port = front.address().port;
    this.targets = targets;
    front.on("message", (data, { address, port }) => {
      void this.fromPeer(data, address, port);
    });
    front.on("error", () => undefined);
  }

  static async open(targets: () => readonly Target[]): Promise<Sprayer> {
    return new Sprayer(await bound(), targets);
  }

  /** `host:port` at which the instances find a peer that they call before it has said a word. */
  async addressOf(host: string, port: number): Promise<string> {
    return `${HOST}:${(await this.socketOf(host, port)).address().port}`;
  }

  /** The instance is about to leave. */
  leaveOut(name: string): void {
    this.leftOut.add(name);
  }

  /** The instance is back. */
  readmit(name: string): void {
    this.leftOut.delete(name);
  }

  close(): void {
    this.front.close();
    for (const socket of this.peers.values()) void socket.then((open) => open.close());
  }

  private async fromPeer(data: Buffer, address: string, port: number): Promise<void> {
    const back = await this.socketOf(address, port);
    const packet = readPacket(data.toString("latin1"));
    const target = this.pick(packet);
    if (!target) return;
    if (!target.up) this.leftOut.add(target.name);
    if (packet)
      this.onSeen({ atMs: Date.now(), packet, inbound: true, instance: target.name, lost: !target.up });
    if (target.up) back.send(data, target.port, HOST);
  }

  private pick(packet: Packet | undefined): Target | undefined {
    const all = this.targets();
    const steer = packet && this.steers.find((one) => matches(packet, one, one.pattern));
    const chosen = steer && all.find(({ name, up }) => name === steer.to && up);
    if (chosen) return chosen;
    const open = all.filter(({ name }) => !this.leftOut.has(name));
    return open[Math.floor(Math.random() * open.length)];
  }

  /** The socket that stands for a peer towards the instances. */
  private socketOf(address: string, port: number): Promise<Socket> {
    const key = `${address}:${port}`;
    const known = this.peers.get(key) ?? this.open(address, port);
    this.peers.set(key, known);
    return known;
  }

  private async open(address: string, port: number): Promise<Socket> {
    const socket = await bound();
    socket.on("error", () => undefined);
    socket.on("message", (data, remote) => {
      const packet = readPacket(data.toString("latin1"));
      const instance = this.targets().find((one) => one.port === remote.port)?.name ?? "?";
      if (packet) this.onSeen({ atMs: Date.now(), packet, inbound: false, instance, lost: false });
      this.front.send(data, port, address);
    });
    return socket;
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
  socket.bind(0, HOST);
  await once(socket, "listening");
  return socket;
}

/** A line of a call's story. */
export const describeSeen = (
  { atMs, packet, inbound, instance, lost }: Seen,
  sinceMs: number,
  callId: string,
): string =>
  `${String(atMs - sinceMs).padStart(6)} ms ${packet.callId === callId ? "caller" : "callee"} ${inbound ? "->" : "<-"} ${instance}${lost ? " (dead)" : ""}  ${nameOf(packet)}`;
