/** Sample rate of the audio bus, in Hz: wideband speech for browsers, an exact double of telephone and radio audio. */
export const BUS_RATE = 16_000;
/** Length of one frame, in ms. */
export const FRAME_MS = 20;
/** Samples of one bus frame. */
export const FRAME_SAMPLES = (BUS_RATE * FRAME_MS) / 1_000;

/** 20 ms of mono linear audio at the bus rate: FRAME_SAMPLES samples. Whoever makes one never writes to it again. */
export type Frame = Int16Array;

/** A frame of silence, shared. */
export const SILENCE: Frame = new Int16Array(FRAME_SAMPLES);
