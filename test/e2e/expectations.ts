import { expect } from "vitest";
import { rmsDb, typicalToneDb } from "#test/peers/audio/measures.ts";
import { speechSample } from "#test/peers/audio/sources.ts";
import { speechCorrelation } from "#test/peers/audio/speech.ts";
import type { Talker } from "./talker.ts";

const RATE = 8_000;
const TONE_MS = 800;

/** Waits for the wall clock: silence can only be measured by listening for a while. */
export const listenFor = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Each listener hears the tone more than 20 dB above everything else, loud, for most of a second. */
export async function expectTone(listeners: readonly Talker[], hz: number, fromMs: number): Promise<void> {
  await Promise.all(
    listeners.map(async (listener) => {
      const heard = await listener.heard.until(
        (samples) => loudPart(samples).length >= (TONE_MS * RATE) / 1_000,
        {
          what: `a ${hz} Hz tone at ${listener.kind} ${listener.name}`,
          fromMs,
          deadlineMs: 6_000,
        },
      );
      const tone = loudPart(heard);
      expect
        .soft(
          typicalToneDb(tone, RATE, hz),
          `${hz} Hz over the rest at ${listener.kind} ${listener.name}, dB`,
        )
        .toBeGreaterThan(20);
      expect.soft(rmsDb(tone), `level at ${listener.kind} ${listener.name}, dB`).toBeGreaterThan(-25);
    }),
  );
}

/** The same waveform: G.711 and linear samples keep it. */
const SAME_WAVEFORM = 0.8;
/** The same speech: Opus is not made to keep the waveform, and a browser stretches time; other speech gives less than 0.3. */
const SAME_SPEECH = 0.5;

/** Each listener heard the tests' speech, and as the same waveform where no browser is at either end. */
export async function expectSpeech(
  talker: Talker,
  listeners: readonly Talker[],
  fromMs: number,
): Promise<void> {
  await expectSilence(listeners, `after ${talker.name}'s speech`);
  for (const listener of listeners) {
    const heard = listener.heard.since(fromMs);
    const throughOpus = talker.kind === "browser" || listener.kind === "browser";
    expect
      .soft(speechCorrelation(speechSample(), heard, RATE), `speech at ${listener.kind} ${listener.name}`)
      .toBeGreaterThan(throughOpus ? SAME_SPEECH : SAME_WAVEFORM);
  }
}

/** What is still on its way arrives, and then nothing is heard by any of them for half a second. */
export async function expectSilence(listeners: readonly Talker[], why: string): Promise<void> {
  await Promise.all(
    listeners.map(({ heard, kind, name }) =>
      heard.quiet({ forMs: 500, flowing: kind === "browser" }).catch((error: unknown) => {
        expect.soft(error, `${why}: ${kind} ${name}`).toBeUndefined();
      }),
    ),
  );
}

/** How far above the rest a tone is in what was heard since, in dB; below 0 means that it is not there. */
export const toneSince = (listener: Talker, hz: number, fromMs: number): number =>
  typicalToneDb(listener.heard.since(fromMs), RATE, hz);

/** The middle of what is loud: without the grant chirp before it, the onset and the end. */
function loudPart(samples: Int16Array): Int16Array {
  const block = RATE / 50;
  const loud: number[] = [];
  for (let at = 0; at + block <= samples.length; at += block)
    if (rmsDb(samples.subarray(at, at + block)) > -30) loud.push(at);
  const margin = 5 * block;
  const [from, to] = [(loud[0] ?? 0) + margin, (loud.at(-1) ?? 0) - margin];
  return to > from ? samples.subarray(from, to) : new Int16Array(0);
}
