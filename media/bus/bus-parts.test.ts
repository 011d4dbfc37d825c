import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BUS_RATE, FRAME_SAMPLES } from "./frame.ts";
import { levelDbfs, toneShare } from "./measure.ts";
import { OpusDecoder, OpusEncoder } from "./opus.ts";
import { toneFrames, toneMs } from "./tones.ts";
import {
  ACTIVITY,
  hearLevel,
  hearNothing,
  quietLine,
  VOX,
  type VoiceDetector,
} from "./voice-detector.machine.ts";

const tone = (frame: number, hz = 1_000) =>
  Int16Array.from({ length: FRAME_SAMPLES }, (_, i) =>
    Math.round(8_000 * Math.sin((2 * Math.PI * hz * (frame * FRAME_SAMPLES + i)) / BUS_RATE)),
  );

describe("Opus", () => {
  it("carries a tone at its level", () => {
    const [encoder, decoder] = [new OpusEncoder(), new OpusDecoder()];
    const heard = Array.from({ length: 50 }, (_, i) => decoder.decode(encoder.encode(tone(i)))).slice(10);
    const pcm = Int16Array.from(heard.flatMap((frame) => [...(frame ?? [])]));
    expect(pcm).toHaveLength(40 * FRAME_SAMPLES);
    expect(toneShare(pcm, 1_000, BUS_RATE).aboveRestDb).toBeGreaterThan(20);
    expect(levelDbfs(pcm)).toBeCloseTo(levelDbfs(tone(0)), 0);
  });

  it("refuses what is no packet and goes on with the next", () => {
    const [encoder, decoder] = [new OpusEncoder(), new OpusDecoder()];
    expect(decoder.decode(new Uint8Array())).toBeUndefined();
    expect(decoder.decode(new Uint8Array(2_000))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (octets) => {
        expect((decoder.decode(octets)?.length ?? 0) % 40).toBe(0);
      }),
    );
    expect(decoder.decode(encoder.encode(tone(0)))).toHaveLength(FRAME_SAMPLES);
  });
});

describe("tones", () => {
  it.each([
    ["grant", 120],
    ["busy", 800],
    ["end", 400],
  ] as const)("%s is %i ms of whole frames and begins and ends without a click", (name, ms) => {
    expect(toneMs(name)).toBe(ms);
    const pcm = toneFrames(name).flatMap((frame) => [...frame]);
    expect(Math.abs(pcm[0] ?? 0) + Math.abs(pcm.at(-1) ?? 0)).toBeLessThan(300);
    expect(Math.max(...pcm)).toBeLessThan(16_000);
  });
});

describe("voice detection", () => {
  const listen = (levels: readonly number[], timing = VOX): VoiceDetector[] => {
    let detector = quietLine;
    return levels.map((level) => (detector = hearLevel(detector, level, 20, timing)));
  };
  const times = (count: number, level: number) => Array<number>(count).fill(level);

  it("opens on the first loud packet", () => {
    expect(listen([-60, -60, -20]).map(({ active }) => active)).toEqual([false, false, true]);
  });

  it("closes after its hang time, not in the pause between two words", () => {
    expect(listen([-20, ...times(14, -60)]).at(-1)?.active).toBe(true);
    expect(listen([-20, ...times(15, -60)]).at(-1)?.active).toBe(false);
  });

  it("closes when packets stop to come", () => {
    const speaking = listen([-20]).at(-1) ?? quietLine;
    expect(hearNothing(speaking, 299, VOX).active).toBe(true);
    expect(hearNothing(speaking, 300, VOX).active).toBe(false);
    expect(hearNothing(quietLine, 1_000, VOX)).toBe(quietLine);
  });

  it("does not open on the noise of a line, once it knows it, nor on digital silence", () => {
    expect(listen(times(1_500, -36), VOX).at(-1)?.active).toBe(false);
    expect(listen([-Infinity, -Infinity]).at(-1)?.active).toBe(false);
  });

  it("does not take quiet music for noise in a full-duplex group", () => {
    expect(listen(times(6_000, -40), ACTIVITY).at(-1)?.active).toBe(true);
  });

  it("stays open through a long sentence", () => {
    const sentence = Array.from({ length: 1_500 }, (_, i) => (i % 10 < 7 ? -22 : -50));
    expect(listen(sentence).every(({ active }) => active)).toBe(true);
  });
});
