/** What a stretch of audio holds, for voice activity and for tests. */

/** Level in dB below full scale of a 16-bit sample; -Infinity for digital silence. */
export function levelDbfs(pcm: Int16Array): number {
  let sum = 0;
  for (const sample of pcm) sum += sample * sample;
  return 10 * Math.log10(sum / Math.max(1, pcm.length) / 32_768 ** 2);
}

/** How much of the audio is one tone (Goertzel): its level, and how far it stands above everything else, in dB. */
export function toneShare(
  pcm: Int16Array,
  hz: number,
  rate: number,
): { levelDbfs: number; aboveRestDb: number } {
  const w = (2 * Math.PI * hz) / rate;
  let [re, im, energy] = [0, 0, 0];
  for (let i = 0; i < pcm.length; i++) {
    const sample = (pcm[i] ?? 0) / 32_768;
    re += sample * Math.cos(w * i);
    im += sample * Math.sin(w * i);
    energy += sample * sample;
  }
  const tone = (2 * (re * re + im * im)) / Math.max(1, pcm.length);
  const rest = Math.max(energy - tone, 1e-9);
  return {
    levelDbfs: 10 * Math.log10(tone / Math.max(1, pcm.length)),
    aboveRestDb: 10 * Math.log10(tone / rest),
  };
}
