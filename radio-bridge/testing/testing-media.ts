import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { silent } from "#common/log.ts";
import { legRequestSchema, type LegRequest } from "#common/media-control.ts";
import { announceInstance, withdrawInstance, type InstanceCard } from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
import { startRpc } from "#state/rpc/rpc.ts";

/** A media instance of a few lines for tests: it takes radio legs and does with their RTP as it is told. */
export async function startTestingMedia(redisUrl: string) {
  const instance = `media-${randomBytes(4).toString("hex")}`;
  const redis = connect(redisUrl, { log: silent });
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  const legs = new Map<string, LegRequest>();
  const deleted: string[] = [];
  const packets: {
    flags: number;
    marker: boolean;
    sequence: number;
    timestamp: number;
    samples: Int16Array;
  }[] = [];
  let [sequence, talking] = [0, false];

  let closed: Promise<void> | undefined;
  const send = (flags: number, samples?: Int16Array) => {
    if (closed) return;
    const packet = Buffer.alloc(20 + (samples ? 320 : 0));
    packet.write(`9060${(sequence++ & 0xffff).toString(16).padStart(4, "0")}000000000000000101670001`, "hex");
    packet.writeUInt16BE(flags, 16);
    samples?.forEach((sample, i) => packet.writeInt16BE(sample, 20 + 2 * i));
    for (const { description } of legs.values())
      if (description.type === "rtp") socket.send(packet, description.port, description.host);
  };
  socket.on("message", (packet) => {
    const samples = Int16Array.from({ length: (packet.length - 20) / 2 }, (_, i) =>
      packet.readInt16BE(20 + 2 * i),
    );
    const marker = ((packet[1] ?? 0) & 0x80) !== 0;
    packets.push({
      flags: packet.readUInt16BE(16),
      marker,
      sequence: packet.readUInt16BE(2),
      timestamp: packet.readUInt32BE(4),
      samples,
    });
  });
  const rpc = startRpc(
    redis,
    connect(redisUrl, { log: silent, blocking: true }),
    instance,
    ({ method, path, body }) => {
      const leg = path.replace("/legs/", "");
      if (method === "DELETE") {
        deleted.push(leg);
        legs.delete(leg);
        return Promise.resolve({});
      }
      legs.set(leg, legRequestSchema.parse(body));
      return Promise.resolve({ description: { type: "rtp", host: "127.0.0.1", port } });
    },
    silent,
  );
  const card: InstanceCard = {
    role: "media",
    instance,
    pid: process.pid,
    listeners: {},
    load: 0,
    draining: false,
  };
  await announceInstance(redis, card);
  const renewal = setInterval(() => void announceInstance(redis, card).catch(() => undefined), 300);
  const keepalive = setInterval(() => {
    if (!talking) send(0);
  }, 1_000);

  const close = async () => {
    clearInterval(renewal);
    clearInterval(keepalive);
    socket.close();
    await rpc.close();
    await withdrawInstance(redis, card);
    redis.disconnect();
  };
  return {
    instance,
    legs,
    deleted,
    packets,
    /** Sends one packet with these flags. */
    send,
    /** The group talks to the radios: push-to-talk and a frame each 20 ms, until the returned function is called. */
    talk(frame: () => Int16Array): () => void {
      talking = true;
      const timer = setInterval(() => {
        send(0x2000, frame());
      }, 20);
      return () => {
        clearInterval(timer);
        talking = false;
        send(0);
      };
    },
    /** Ends as by a power cut, its lease with it. */
    close: () => (closed ??= close()),
  };
}
