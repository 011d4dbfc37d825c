import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JitterBuffer } from "./jitter-buffer.ts";
import { levelDbfs, toneShare } from "./measure.ts";

const RATE = 8_000;
const HZ = 1_000;
const SSRC = 0x1234;

interface Packet {
  readonly atMs: number;
  readonly timestamp: number;
  readonly ssrc?: number;
  readonly samples?: number;
}

const tone = (from: number, count: number): Int16Array =>
  Int16Array.from({ length: count }, (_, i) =>
    Math.round(8_000 * Math.sin((2 * Math.PI * HZ * (from + i)) / RATE)),
  );

/** A steady sender: packet i leaves at 20 i ms and is as late as `delay` says; undefined is lost. */
function stream(count: number, delay: (i: number) => number | undefined = () => 0, base = 1_000): Packet[] {
  const packets: Packet[] = [];
  for (let i = 0; i < count; i++) {
    const late = delay(i);
    if (late !== undefined) packets.push({ atMs: i * 20 + late, timestamp: (base + i * 160) >>> 0 });
  }
  return packets.sort((a, b) => a.atMs - b.atMs);
}

/** Plays packets into a buffer with a beat every 20 ms that is 7 ms out of step with the sender. */
function play(
  packets: Packet[],
  buffer = new JitterBuffer({ rate: RATE, clockRate: RATE }),
): { frames: (Int16Array | undefined)[]; buffer: JitterBuffer } {
  const frames: (Int16Array | undefined)[] = [];
  const endMs = Math.max(...packets.map(({ atMs }) => atMs)) + 400;
  let next = 0;
  for (let ms = 7; ms < endMs; ms += 20) {
    for (let packet = packets[next]; packet && packet.atMs <= ms; packet = packets[++next]) {
      const { timestamp, ssrc = SSRC, samples = 160 } = packet;
      buffer.put(ssrc, timestamp, tone(timestamp, samples), packet.atMs);
    }
    frames.push(buffer.take(ms));
  }
  return { frames, buffer };
}

const heard = (frames: (Int16Array | undefined)[]) =>
  frames.filter((frame) => frame !== undefined && levelDbfs(frame) > -40);
const first = (frames: (Int16Array | undefined)[]) => frames.findIndex((frame) => frame !== undefined);
const joined = (frames: (Int16Array | undefined)[]) =>
  Int16Array.from(frames.flatMap((frame) => (frame ? [...frame] : [])));
/** How clean the tone is after it began and before it ends. */
const purity = (frames: (Int16Array | undefined)[]) =>
  toneShare(joined(heard(frames)).subarray(320, -640), HZ, RATE).aboveRestDb;

describe("jitter buffer", () => {
  it("plays a steady stream whole, within 40 ms of its arrival", () => {
    const { frames, buffer } = play(stream(100));
    expect(first(frames) * 20 + 7).toBeLessThanOrEqual(40);
    expect(purity(frames)).toBeGreaterThan(40);
    expect(buffer.stats).toMatchObject({ late: 0, skipped: 0, resyncs: 0 });
    // The only frames made up are those that fade out after the last packet.
    expect(buffer.stats.concealed).toBeLessThanOrEqual(3);
    expect(buffer.marginMs).toBeLessThan(20);
  });

  it("is silent before the first packet and after the last", () => {
    const { frames } = play(stream(20));
    expect(frames[0]).toBeUndefined();
    expect(frames.at(-1)).toBeUndefined();
    expect(heard(frames).length).toBeLessThanOrEqual(20 + 3);
  });

  it("bridges one lost packet in twenty so that the tone stays 20 dB above the rest", () => {
    const { frames, buffer } = play(stream(200, (i) => (i % 20 === 10 ? undefined : 0)));
    expect(purity(frames)).toBeGreaterThan(20);
    expect(buffer.stats.concealed).toBeLessThanOrEqual(10 + 3);
  });

  it("puts packets that overtook each other in order again", () => {
    const { frames, buffer } = play(stream(100, (i) => (i % 5 === 3 ? 25 : 0)));
    expect(purity(frames)).toBeGreaterThan(25);
    expect(buffer.stats.concealed).toBeLessThanOrEqual(6);
  });

  it("survives packets that come in bursts of five with less than 1 % of silence", () => {
    const { frames } = play(stream(500, (i) => (4 - (i % 5)) * 20));
    const audible = frames.slice(20, 480);
    expect(heard(audible).length / audible.length).toBeGreaterThan(0.99);
  });

  it("comes down again after one long delay", () => {
    const { frames, buffer } = play(
      stream(800, (i) => (i === 100 ? 90 : i > 100 && i < 105 ? 90 - (i - 100) * 18 : 0)),
    );
    expect(buffer.stats.skipped).toBeGreaterThan(0);
    expect(buffer.marginMs).toBeLessThan(30);
    expect(heard(frames).length).toBeLessThan(808);
  });

  it("ignores a packet that comes twice, and one that comes too late", () => {
    const twice = stream(100).flatMap((packet) => [packet, packet]);
    expect(play(twice).buffer.stats.duplicate).toBeGreaterThan(95);
    const late = play(stream(100, (i) => (i === 50 ? 150 : 0)));
    expect(late.buffer.stats.late).toBe(1);
  });

  it("goes on within 60 ms when the sender becomes another one (SSRC)", () => {
    const changed = stream(200).map((packet, i) =>
      i < 100 ? packet : { ...packet, ssrc: 77, timestamp: packet.timestamp + 5_000_000 },
    );
    const { frames, buffer } = play(changed);
    expect(buffer.stats.resyncs).toBe(1);
    const silent = frames.slice(5, 195).filter((frame) => frame === undefined || levelDbfs(frame) < -30);
    expect(silent.length * 20).toBeLessThanOrEqual(60);
  });

  it.each([
    ["forward", 900_000],
    ["back", -900_000],
    ["back a little", -1_600],
  ])("goes on when the timestamp jumps %s", (_title, jump) => {
    const jumped = stream(200, () => 0, 2_000_000).map((packet, i) =>
      i < 100 ? packet : { ...packet, timestamp: (packet.timestamp + jump) >>> 0 },
    );
    const { frames, buffer } = play(jumped);
    expect(buffer.stats.resyncs).toBe(1);
    expect(heard(frames).length).toBeGreaterThan(188);
  });

  it("plays across the wrap of the timestamp", () => {
    const { frames, buffer } = play(stream(100, () => 0, 0xffff_ffff - 50 * 160));
    expect(buffer.stats.resyncs).toBe(0);
    expect(heard(frames).length).toBeGreaterThanOrEqual(99);
  });

  it("is silent through a pause of a sender that suppresses silence, and begins again at once", () => {
    const { frames, buffer } = play(stream(200, (i) => (i >= 50 && i < 120 ? undefined : 0)));
    expect(frames.slice(65, 118).every((frame) => frame === undefined)).toBe(true);
    expect(heard(frames.slice(124)).length).toBeGreaterThan(70);
    expect(buffer.stats.resyncs).toBe(0);
  });

  it.each([10, 30, 40, 60])("plays packets of %i ms whole", (ms) => {
    const samples = ms * 8;
    const packets = Array.from({ length: 100 }, (_, i) => ({
      atMs: i * ms,
      timestamp: i * samples,
      samples,
    }));
    const { frames } = play(packets);
    expect(purity(frames)).toBeGreaterThan(25);
  });

  it("follows a sender whose clock is 0.05 % fast for minutes without growing its delay", () => {
    const packets = stream(10_000).map((packet, i) => ({ ...packet, atMs: i * 19.99 }));
    const { frames, buffer } = play(packets);
    expect(buffer.marginMs).toBeLessThan(20);
    expect(heard(frames).length).toBeLessThanOrEqual(10_003);
    expect(buffer.stats.skipped).toBeGreaterThan(1);
  });

  it("takes any packets in any order without failing, and never gives more than a frame", () => {
    const packet = fc.record({
      atMs: fc.integer({ min: 0, max: 500 }),
      timestamp: fc.nat(0xffff_ffff),
      ssrc: fc.nat(2),
      samples: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.constantFrom(4_000, 4_001)),
    });
    fc.assert(
      fc.property(fc.array(packet, { minLength: 1, maxLength: 60 }), (packets) => {
        const { frames } = play([...packets].sort((a, b) => a.atMs - b.atMs));
        for (const frame of frames) expect(frame?.length ?? 160).toBe(160);
      }),
      { numRuns: 50 },
    );
  });
});
