import { createSocket } from "node:dgram";
import { once } from "node:events";

/** One resource record: what it answers to, its type and its data. */
export interface DnsRecord {
  readonly name: string;
  readonly type: "A" | "SRV" | "NAPTR";
  readonly data: Buffer;
}

const TYPES = { A: 1, SRV: 33, NAPTR: 35 } as const;

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const text = (value: string): Buffer => Buffer.from([value.length, ...Buffer.from(value)]);
const domain = (name: string): Buffer =>
  Buffer.concat([...name.split(".").filter(Boolean).map(text), Buffer.from([0])]);

export const a = (name: string, address: string): DnsRecord => ({
  name,
  type: "A",
  data: Buffer.from(address.split(".").map(Number)),
});
export const srv = (
  name: string,
  priority: number,
  weight: number,
  port: number,
  target: string,
): DnsRecord => ({
  name,
  type: "SRV",
  data: Buffer.concat([u16(priority), u16(weight), u16(port), domain(target)]),
});
export const naptr = (name: string, order: number, service: string, replacement: string): DnsRecord => ({
  name,
  type: "NAPTR",
  data: Buffer.concat([u16(order), u16(10), text("s"), text(service), text(""), domain(replacement)]),
});

/** A name server on the loopback that knows these records and nothing else (RFC 1035 §4). */
export async function startDnsServer(records: readonly DnsRecord[]) {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const asked: string[] = [];
  socket.on("message", (query, peer) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    const name = labels.join(".").toLowerCase();
    const type = query.readUInt16BE(at + 1);
    const question = query.subarray(12, at + 5);
    const found = records.filter((one) => one.name === name && TYPES[one.type] === type);
    asked.push(`${name} ${type}`);
    const exists = records.some((one) => one.name === name);
    // QR, RD and RA; NXDOMAIN for a name without records.
    const head = [
      query.subarray(0, 2),
      u16(exists ? 0x8180 : 0x8183),
      u16(1),
      u16(found.length),
      u16(0),
      u16(0),
    ];
    const answers = found.map(({ data }) =>
      Buffer.concat([u16(0xc00c), u16(type), u16(1), u16(0), u16(30), u16(data.length), data]),
    );
    socket.send(Buffer.concat([...head, question, ...answers]), peer.port, peer.address);
  });
  return {
    server: `127.0.0.1:${socket.address().port}`,
    asked,
    close(): void {
      socket.close();
    },
  };
}
