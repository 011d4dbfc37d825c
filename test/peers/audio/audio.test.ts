import { describe, expect, it } from "vitest";
import { decodeAlaw, decodeUlaw, encodeAlaw, encodeUlaw } from "./g711.ts";
import {
  atRate,
  isSilent,
  loudestDb,
  NO_SIGNAL_DB,
  rmsDb,
  toneOverRestDb,
  tonesMs,
  typicalToneDb,
} from "./measures.ts";
import { Recording } from "./recording.ts";
import { FRAME_SAMPLES, RATE, sampleSource, speechSample, toneSource } from "./sources.ts";
import { speechCorrelation, speechMatch } from "./speech.ts";
import { busyToneMs, hearsBusyTone, hearsGrantTone } from "./tones.ts";
import { readWav, writeWav } from "./wav.ts";

const tone = (hz: number, ms = 1_000, db = -10) => toneSource(hz, { db }).next((RATE * ms) / 1_000);
const mixed = (...parts: Int16Array[]) =>
  Int16Array.from(parts[0] ?? [], (_, i) => parts.reduce((sum, part) => sum + (part[i] ?? 0), 0));
const joined = (...parts: Int16Array[]) => Int16Array.from(parts.flatMap((part) => [...part]));
const silence = (ms: number) => new Int16Array((RATE * ms) / 1_000);
const viaUlaw = (samples: Int16Array) => decodeUlaw(encodeUlaw(samples));
const viaAlaw = (samples: Int16Array) => decodeAlaw(encodeAlaw(samples));

describe("toneOverRestDb", () => {
  it("finds a tone that went through G.711 well above its quantization noise", () => {
    expect(toneOverRestDb(viaUlaw(tone(1_000)), RATE, 1_000)).toBeGreaterThan(30);
    expect(toneOverRestDb(viaAlaw(tone(1_000)), RATE, 1_000)).toBeGreaterThan(30);
  });

  it("does not take another tone for it", () => {
    expect(toneOverRestDb(tone(1_000), RATE, 1_400)).toBeLessThan(-20);
  });

  it("measures a second talker 6 dB below as 6 dB", () => {
    const two = mixed(tone(1_000, 1_000, -10), tone(1_700, 1_000, -16));
    expect(toneOverRestDb(two, RATE, 1_000)).toBeCloseTo(6, 0);
  });

  it("answers no signal for silence and for nothing", () => {
    expect(toneOverRestDb(silence(500), RATE, 1_000)).toBe(NO_SIGNAL_DB);
    expect(toneOverRestDb(new Int16Array(), RATE, 1_000)).toBe(NO_SIGNAL_DB);
  });

  it("measures a browser's floats at 48 kHz", () => {
    const samples = Float32Array.from(
      { length: 48_000 },
      (_, i) => 0.3 * Math.sin((2 * Math.PI * 1_000 * i) / 48_000),
    );
    expect(toneOverRestDb(samples, 48_000, 1_000)).toBeGreaterThan(40);
    expect(toneOverRestDb(atRate(samples, 48_000, RATE), RATE, 1_000)).toBeGreaterThan(30);
  });
});

describe("typicalToneDb", () => {
  it("does not mind one frame that is missing, but a tone that is not there half of the time", () => {
    const heard = tone(1_000, 2_000);
    const holed = (every: number) =>
      heard.map((sample, i) => (Math.floor(i / 160) % every === 0 ? 0 : sample));
    expect(typicalToneDb(holed(50), RATE, 1_000)).toBeGreaterThan(30);
    expect(typicalToneDb(holed(4), RATE, 1_000)).toBeLessThan(20);
    expect(typicalToneDb(joined(tone(1_000, 400), silence(500)), RATE, 1_000)).toBe(NO_SIGNAL_DB);
  });

  it("does not take another tone for it, nor nothing", () => {
    expect(typicalToneDb(tone(1_400), RATE, 1_000)).toBeLessThan(-20);
    expect(typicalToneDb(new Int16Array(), RATE, 1_000)).toBe(-Infinity);
  });
});

describe("G.711", () => {
  it.each([
    ["u-law", viaUlaw],
    ["A-law", viaAlaw],
  ])("%s keeps each sample within a thirty-second of its size", (_law, via) => {
    const ramp = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
    const back = via(ramp);
    const wrong = ramp.filter((sample, i) => Math.abs((back[i] ?? 0) - sample) > Math.abs(sample) / 31 + 16);
    expect(wrong).toEqual(new Int16Array());
  });
});

describe("levels", () => {
  it("reads a full scale sine as 3 dB below full scale", () => {
    expect(rmsDb(tone(1_000, 1_000, 0))).toBeCloseTo(-3, 1);
  });

  it("calls a recording with one short click not silent, and nothing at all silent", () => {
    expect(isSilent(silence(1_000), RATE)).toBe(true);
    expect(isSilent(new Int16Array(), RATE)).toBe(true);
    expect(isSilent(joined(silence(500), tone(1_000, 20, -30), silence(500)), RATE)).toBe(false);
    expect(loudestDb(joined(silence(500), tone(1_000, 40, -20)), RATE)).toBeCloseTo(-23, 0);
  });
});

describe("tone pairs", () => {
  it("measures how long a busy tone sounded, with its pauses left out", () => {
    const on = mixed(tone(480, 500, -16), tone(620, 500, -16));
    const ms = busyToneMs(viaUlaw(joined(on, silence(500), on)), RATE);
    expect(ms).toBeGreaterThan(950);
    expect(ms).toBeLessThanOrEqual(1_000);
  });

  it("hears busy and grant in what a phone is played", () => {
    const both = mixed(tone(480, 200, -14), tone(620, 200, -14));
    expect(hearsBusyTone(viaAlaw(joined(both, silence(100), both, silence(100), both)), RATE)).toBe(true);
    expect(hearsGrantTone(viaAlaw(joined(tone(910, 40), silence(20), tone(1_230, 60))), RATE)).toBe(true);
  });

  it("does not take speech or one of the two tones for busy", () => {
    expect(hearsBusyTone(speechSample(), RATE)).toBe(false);
    expect(hearsGrantTone(speechSample(), RATE)).toBe(false);
    expect(tonesMs(tone(480), RATE, [480, 620])).toBe(0);
  });
});

describe("speechCorrelation", () => {
  const speech = speechSample();

  it("recognises speech through G.711 wherever it lies in the recording", () => {
    const received = joined(silence(730), viaUlaw(speech), silence(400));
    const { correlation, offset } = speechMatch(speech, received);
    expect(correlation).toBeGreaterThan(0.97);
    expect(offset).toBe(5_840);
  });

  it("still recognises it when a jitter buffer shifted its second half by 20 ms", () => {
    const received = joined(speech.subarray(0, 13_000), silence(20), speech.subarray(13_000));
    expect(speechCorrelation(speech, received)).toBeGreaterThan(0.95);
  });

  it("still recognises it when stalls stretched it again and again, and nothing was lost", () => {
    const parts = [0, 6_000, 13_000, 20_000].map((from, i, all) => speech.subarray(from, all[i + 1]));
    const received = joined(...parts.flatMap((part, i) => [part, silence(60 + 20 * i)]));
    expect(speechCorrelation(speech, received)).toBeGreaterThan(0.95);
  });

  it("recognises a recording that began 200 ms late", () => {
    expect(speechCorrelation(speech, speech.subarray(1_600))).toBeGreaterThan(0.8);
  });

  it("does not take other audio for it", () => {
    const backwards = Int16Array.from(speech).reverse();
    expect(speechCorrelation(speech, backwards)).toBeLessThan(0.3);
    expect(speechCorrelation(speech, tone(1_000, 4_000))).toBeLessThan(0.3);
    expect(speechCorrelation(speech, silence(4_000))).toBe(0);
  });

  it("notices that half of it is missing", () => {
    expect(speechCorrelation(speech, joined(speech.subarray(0, 13_000), silence(2_000)))).toBeLessThan(0.75);
  });

  it("notices that a second is missing, silent or cut out, and that its halves are the wrong way round", () => {
    const [before, after] = [speech.subarray(0, 8_000), speech.subarray(16_000)];
    expect(speechCorrelation(speech, joined(before, silence(1_000), after))).toBeLessThan(0.75);
    expect(speechCorrelation(speech, joined(before, after))).toBeLessThan(0.75);
    expect(speechCorrelation(speech, joined(speech.subarray(13_000), speech.subarray(0, 13_000)))).toBeLessThan(0.75); // prettier-ignore
  });
});

describe("WAV", () => {
  it("reads back what it wrote", () => {
    const samples = tone(440, 100);
    expect(readWav(writeWav({ rate: RATE, samples }))).toEqual({ rate: RATE, samples });
  });

  it.each([
    ["an empty file", Buffer.alloc(0)],
    ["another format", Buffer.from("OggS".padEnd(64))],
    ["a cut fmt chunk", writeWav({ rate: RATE, samples: tone(1, 10) }).subarray(0, 30)],
    ["a file without data", writeWav({ rate: RATE, samples: tone(1, 10) }).subarray(0, 36)],
  ])("refuses %s", (_what, file) => {
    expect(() => readWav(file)).toThrow();
  });

  it("takes what a killed recorder left behind", () => {
    const file = writeWav({ rate: RATE, samples: tone(440, 100) });
    file.writeUInt32LE(0, 40);
    expect(readWav(file).samples).toHaveLength(800);
  });
});

describe("Recording", () => {
  const frame = (value: number) => new Int16Array(FRAME_SAMPLES).fill(value);

  it("puts frames in the order of their time line and fills gaps with silence", () => {
    const recording = new Recording();
    recording.push(frame(1), 1_000, 7);
    recording.push(frame(3), 1_480, 7);
    recording.push(frame(2), 1_160, 7);
    const heard = recording.since(0);
    expect(heard).toHaveLength(640);
    expect([heard[0], heard[160], heard[320], heard[480]]).toEqual([1, 2, 0, 3]);
  });

  it("goes on over a wrap of the RTP timestamp", () => {
    const recording = new Recording();
    recording.push(frame(1), 0xffff_ffff - 159, 7);
    recording.push(frame(2), 0, 7);
    expect(recording.since(0)).toHaveLength(320);
  });

  it("joins a new stream directly behind the last one", () => {
    const recording = new Recording();
    recording.push(frame(1), 5_000_000, 7);
    recording.push(frame(2), 12, 8);
    recording.push(frame(3), 172, 8);
    const heard = recording.since(0);
    expect([heard.length, heard[0], heard[160], heard[320]]).toEqual([480, 1, 2, 3]);
  });

  it("keeps to the window of arrival asked for", () => {
    const recording = new Recording();
    recording.push(frame(1), 0, 7, 1_000);
    recording.push(frame(2), 160, 7, 1_020);
    expect(recording.since(1_010)[0]).toBe(2);
    expect(recording.between(0, 1_010)).toHaveLength(160);
  });

  it("says what it waited for when that did not come", async () => {
    const recording = new Recording();
    await expect(recording.atLeast(100, 0, 10)).rejects.toThrow("did not hear 100 ms of audio within 10 ms");
  });

  it("wakes a waiter as soon as enough has come", async () => {
    const recording = new Recording();
    const waiting = recording.atLeast(20);
    recording.push(frame(1), 0, 7);
    await expect(waiting).resolves.toHaveLength(160);
  });
});

describe("sources", () => {
  it("go on with the same phase from frame to frame", () => {
    const source = toneSource(1_000);
    expect(joined(source.next(160), source.next(160))).toEqual(toneSource(1_000).next(320));
  });

  it("end when their samples or their time are used up", () => {
    const played = sampleSource(frameOf(200));
    played.next(160);
    expect(played.ended).toBe(false);
    played.next(160);
    expect(played.ended).toBe(true);
    expect(toneSource(1_000, { ms: 20 }).ended).toBe(false);
  });

  const frameOf = (count: number) => new Int16Array(count).fill(5);
});
