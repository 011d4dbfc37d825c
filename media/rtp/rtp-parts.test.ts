import { packets } from "rtp.js";
import { describe, expect, it } from "vitest";
import { latchTo, LATCH_SILENCE_MS } from "./latch.machine.ts";
import { PortPool, QUARANTINE_MS } from "./port-pool.ts";
import { readRadioFlags, writeRadioFlags } from "./radio-extension.codec.ts";
import { Reception } from "./reception.ts";
import { readRtcpTypes, RTCP_BYE, RTCP_RR, RTCP_SR, writeBye, writeReport } from "./rtcp.codec.ts";
import { eventPayload, receiveEvent, type TelephoneEvents } from "./telephone-event.machine.ts";

describe("telephone-events (RFC 4733)", () => {
  const press = (digit: string, timestamp: number, ends = [false, false, true, true, true]) =>
    ends.map((end, i) => ({ timestamp, payload: eventPayload(digit, end, 160 * (i + 1)) }));
  const digits = (sent: { timestamp: number; payload: Uint8Array }[]) => {
    let state: TelephoneEvents = [];
    return sent.flatMap(({ timestamp, payload }) => {
      const step = receiveEvent(state, 7, timestamp, payload);
      state = step.state;
      return step.digit === undefined ? [] : [step.digit];
    });
  };

  it("tells a press once, from its first packet", () => {
    expect(digits(press("*", 100))).toEqual(["*"]);
  });

  it("tells a press of which only the last packet came", () => {
    expect(digits(press("#", 100).slice(-1))).toEqual(["#"]);
  });

  it("tells the same key again when it is pressed again", () => {
    expect(digits([...press("5", 100), ...press("5", 2_000)])).toEqual(["5", "5"]);
  });

  it("ignores a late retransmission of the key before", () => {
    const [first, second] = [press("1", 100), press("2", 2_000)];
    expect(digits([...first.slice(0, 4), ...second, ...first.slice(4)])).toEqual(["1", "2"]);
  });

  it("takes no event that is not a key, and calls a short packet malformed", () => {
    expect(receiveEvent([], 7, 1, Uint8Array.of(16, 0, 0, 0))).toEqual({ state: [] });
    expect(receiveEvent([], 7, 1, Uint8Array.of(1, 0, 0))).toEqual({ state: [], malformed: true });
  });
});

describe("latching", () => {
  const latch = { address: "10.0.0.1", port: 4_000 };
  const [same, moved, other] = [
    latch,
    { address: "10.0.0.1", port: 4_002 },
    { address: "10.9.9.9", port: 4_000 },
  ];

  it("believes the first packet from anywhere: an address translator stands between", () => {
    expect(latchTo(latch, other, 1_000)).toEqual({ ...other, heardMs: 1_000 });
  });

  it("follows another port of the same address at once", () => {
    expect(latchTo({ ...latch, heardMs: 1_000 }, moved, 1_020)).toEqual({ ...moved, heardMs: 1_020 });
  });

  it("drops a packet from port 0, the first one too", () => {
    expect(latchTo(latch, { ...latch, port: 0 }, 1_000)).toBeUndefined();
  });

  it("drops a stranger's packets while the stream lives, and follows when it has been silent", () => {
    expect(latchTo({ ...latch, heardMs: 1_000 }, other, 1_000 + LATCH_SILENCE_MS - 1)).toBeUndefined();
    expect(latchTo({ ...latch, heardMs: 1_000 }, other, 1_000 + LATCH_SILENCE_MS)).toMatchObject(other);
    expect(latchTo({ ...latch, heardMs: 1_000 }, same, 1_020)).toMatchObject(same);
  });
});

describe("RTP ports", () => {
  it("gives even ports, each once, from wherever it is told to begin", () => {
    const pool = new PortPool(20_001, 20_009, 0.5);
    expect([pool.take(0), pool.take(0), pool.take(0), pool.take(0)]).toEqual([
      20_006, 20_008, 20_002, 20_004,
    ]);
    expect(pool.load).toBe(1);
  });

  it("never gives a pair whose odd port is outside the range", () => {
    const pool = new PortPool(20_000, 20_002);
    expect([pool.size, pool.take(0)]).toEqual([1, 20_000]);
  });

  it("lets a port rest before it is given again, and says when none is free", () => {
    const pool = new PortPool(20_000, 20_001);
    pool.release(pool.take(0), 1_000);
    expect(() => pool.take(1_000 + QUARANTINE_MS - 1)).toThrow(
      expect.objectContaining({ code: "PORTS_EXHAUSTED" }),
    );
    expect(pool.take(1_000 + QUARANTINE_MS)).toBe(20_000);
  });

  it("ignores the return of a port that was not taken", () => {
    const pool = new PortPool(20_000, 20_001);
    pool.release(20_000, 0);
    expect([pool.take(0), pool.load]).toEqual([20_000, 1]);
  });
});

describe("RTCP (RFC 3550 §6)", () => {
  const block = { ssrc: 9, fractionLost: 12, lost: -1, highestSequence: 70_000, jitter: 33.4 };
  const sender = { nowMs: 1_700_000_000_500, timestamp: 160, packets: 3, octets: 480 };

  it("writes a sender report that an independent library reads", () => {
    const report = writeReport(5, "crossband@127.0.0.1", sender, block);
    expect(readRtcpTypes(report)).toEqual([RTCP_SR, 202]);
    const oracle = new packets.CompoundPacket(
      new DataView(report.buffer, report.byteOffset, report.byteLength),
    );
    const [first] = oracle.getPackets();
    if (!(first instanceof packets.SenderReportPacket)) throw new Error("no sender report");
    expect([first.getSsrc(), first.getRtpTimestamp(), first.getPacketCount(), first.getOctetCount()]).toEqual(
      [5, 160, 3, 480],
    );
    expect(first.getNtpSeconds()).toBe(1_700_000_000 + 2_208_988_800);
    expect(first.getReports()[0]?.getSsrc()).toBe(9);
  });

  it("writes a receiver report when nothing was sent, and a goodbye", () => {
    expect(readRtcpTypes(writeReport(5, "x", undefined, undefined))).toEqual([RTCP_RR, 202]);
    expect(readRtcpTypes(writeBye(5))).toEqual([RTCP_RR, RTCP_BYE]);
  });

  it.each(["", "80", "80c8ffff00000001", "40c80000"])("finds %j malformed", (text) => {
    expect(readRtcpTypes(Buffer.from(text, "hex"))).toBeUndefined();
  });

  it("counts losses since the last report and altogether, across the wrap of the sequence", () => {
    const reception = new Reception();
    for (let i = 0; i < 10; i++) if (i !== 4) reception.note(9, (65_532 + i) & 0xffff, 160 * i, 160 * i);
    expect(reception.report()).toMatchObject({
      ssrc: 9,
      fractionLost: Math.floor(256 / 10),
      lost: 1,
      highestSequence: 65_541,
      jitter: 0,
    });
    expect(reception.report()).toMatchObject({ fractionLost: 0, lost: 1 });
  });

  it("measures jitter, and begins anew with another SSRC", () => {
    const reception = new Reception();
    for (let i = 0; i < 200; i++) reception.note(9, i, 160 * i, 160 * i + (i % 2) * 80);
    expect(reception.report()?.jitter).toBeGreaterThan(70);
    reception.note(10, 5_000, 0, 0);
    expect(reception.report()).toMatchObject({ ssrc: 10, lost: 0, jitter: 0 });
  });
});

describe("radio flags", () => {
  it.each([
    [{ ptt: true, squelch: false, muted: false }, "20000000"],
    [{ ptt: false, squelch: true, muted: false }, "10000000"],
    [{ ptt: false, squelch: false, muted: true }, "00200000"],
  ])("writes and reads %j as ED-137 lays it out", (flags, text) => {
    expect(writeRadioFlags(flags).toString("hex")).toBe(text);
    expect(readRadioFlags(Buffer.from(text, "hex"))).toEqual(flags);
  });

  it("finds a body of one octet too short", () => {
    expect(readRadioFlags(Buffer.alloc(1))).toBeUndefined();
  });
});
