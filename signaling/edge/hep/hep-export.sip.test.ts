import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { HepExport, type HepOptions } from "./hep-export.ts";

const flow: Flow = { transport: "udp", host: "192.0.2.1", port: 5062 };
const REGISTER =
  'REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: one@phone\r\nCSeq: 1 REGISTER\r\nAuthorization: Digest username="a", response="s3cret"\r\nContent-Length: 0\r\n\r\n';

let collector: Socket;
let packets: Buffer[];
let counts: Record<string, number>;
let hep: HepExport;

beforeEach(async () => {
  [packets, counts] = [[], {}];
  collector = createSocket("udp4");
  collector.bind(0, "127.0.0.1");
  await once(collector, "listening");
  collector.on("message", (packet) => packets.push(packet));
});
afterEach(() => {
  hep.close();
  collector.close();
});

function open(change: Partial<HepOptions> = {}): HepExport {
  hep = new HepExport({
    host: "127.0.0.1", port: collector.address().port, agent: 77, key: undefined, redacted: true, log: silent,
    local: () => "192.0.2.9:5060", count: (event) => (counts[event] = (counts[event] ?? 0) + 1), ...change,
  }); // prettier-ignore
  return hep;
}

const message = (text: string) => {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};

/** The chunks of a packet by type, as a collector walks them. */
function chunksOf(packet: Buffer): Map<number, Buffer> {
  expect(packet.toString("latin1", 0, 4)).toBe("HEP3");
  expect(packet.readUInt16BE(4)).toBe(packet.length);
  const chunks = new Map<number, Buffer>();
  for (let at = 6; at < packet.length; at += packet.readUInt16BE(at + 4)) {
    expect(packet.readUInt16BE(at)).toBe(0);
    chunks.set(packet.readUInt16BE(at + 2), packet.subarray(at + 6, at + packet.readUInt16BE(at + 4)));
  }
  return chunks;
}

describe("HEP export", () => {
  it("tells the collector addresses, time, call and message", async () => {
    open({ key: "k3y" }).sent("00call", { flow, text: REGISTER, method: "REGISTER", status: 0 });
    await expect.poll(() => packets.length).toBe(1);
    const chunks = chunksOf(packets[0] ?? Buffer.alloc(0));
    const hex = Object.fromEntries([...chunks].map(([type, data]) => [type, data.toString("hex")]));
    expect(hex).toMatchObject({
      1: "02",
      2: "11",
      3: "c0000209",
      4: "c0000201",
      7: "13c4",
      8: "13c6",
      11: "01",
      12: "0000004d",
    });
    expect(Math.abs((chunks.get(9)?.readUInt32BE() ?? 0) - Date.now() / 1_000)).toBeLessThan(10);
    expect(chunks.get(14)?.toString()).toBe("k3y");
    expect(chunks.get(17)?.toString()).toBe("00call");
    expect(message(chunks.get(15)?.toString("latin1") ?? "").callId).toBe("one@phone");
  });

  it("takes secrets out unless told otherwise", async () => {
    open().received("00call", message(REGISTER), flow);
    await expect.poll(() => packets.length).toBe(1);
    expect(packets[0]?.toString("latin1")).not.toContain("s3cret");
    hep.close();
    open({ redacted: false }).received("00call", message(REGISTER), flow);
    await expect.poll(() => packets.length).toBe(2);
    expect(packets[1]?.toString("latin1")).toContain("s3cret");
  });

  it("holds so many and no more, and goes on when the collector is away", async () => {
    open({ port: 9 });
    for (let i = 0; i < 6_000; i++) hep.received("00call", message(REGISTER), flow);
    expect(counts["dropped"]).toBe(1_000);
    await expect
      .poll(() => (counts["sent"] ?? 0) + (counts["dropped"] ?? 0), { timeout: 10_000 })
      .toBe(6_000);
  });

  it("is told nothing once it is closed", () => {
    open().close();
    hep.received("00call", message(REGISTER), flow);
    expect(counts).toEqual({ dropped: 1 });
    hep.close();
  });
});
