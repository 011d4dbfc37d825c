import { tonesMs, type Samples } from "./measures.ts";

/** Precise audible tone plan: busy is 480 and 620 Hz together. */
export const BUSY_HZ = [480, 620] as const;

/** For how many milliseconds a busy tone sounded alone. */
export const busyToneMs = (samples: Samples, rate: number): number => tonesMs(samples, rate, BUSY_HZ);
