import { once } from "node:events";
import { createSocket } from "node:dgram";
import { afterEach, describe, expect, it } from "vitest";
import { dropsOf, kernelDrops } from "./kernel-drops.ts";

const sockets: ReturnType<typeof createSocket>[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  123: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 4711 2 0000000000000000 17
  124: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 4712 2 0000000000000000 5
`;

describe("datagrams that the kernel dropped", () => {
  it("are counted on our own sockets, not on those of others at the same port", () => {
    expect(dropsOf(TABLE, new Set(["4711"]))).toBe(17);
    expect(dropsOf(TABLE, new Set(["4711", "4712"]))).toBe(22);
    expect(dropsOf(TABLE, new Set())).toBe(0);
  });

  it("are seen when more come than the buffer holds", async () => {
    const socket = createSocket({ type: "udp4", recvBufferSize: 1 }).bind(0, "127.0.0.1");
    const sender = createSocket("udp4");
    sockets.push(socket, sender);
    await once(socket, "listening");
    const before = await kernelDrops();
    // Nothing is read before this turn ends: the buffer runs over.
    for (let i = 0; i < 50; i++) sender.send(Buffer.alloc(1_000), socket.address().port, "127.0.0.1");
    await expect.poll(kernelDrops).toBeGreaterThan(before);
  });
});
