import { tonesMs, type Samples } from "./measures.ts";

/** Another talks: 480 and 620 Hz together, three bursts of 200 ms. */
const BUSY_HZ = [480, 620];
/** The floor is yours: a chirp that ends with 60 ms of this. */
const GRANT_HZ = [1_230];

/** For how many milliseconds a busy tone sounded alone. */
export const busyToneMs = (samples: Samples, rate: number): number => tonesMs(samples, rate, BUSY_HZ);

/** True when a busy tone was played: at least two of its bursts. */
export const hearsBusyTone = (samples: Samples, rate: number): boolean => busyToneMs(samples, rate) >= 250;

/** True when the grant chirp was played and nothing louder hid it. */
export const hearsGrantTone = (samples: Samples, rate: number): boolean =>
  tonesMs(samples, rate, GRANT_HZ) >= 30;
