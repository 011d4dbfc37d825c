import { randomBytes } from "node:crypto";
import type { Variant } from "./cut-points.ts";
import { delay } from "./delay.ts";
import { runCall, type CallOutcome } from "./run-call.ts";
import type { Slot } from "./slots.ts";

export interface Load {
  /** Calls a second that are begun, whatever becomes of those before. */
  readonly rate: number;
  readonly seconds: number;
  /** One call in so many goes to the group; 0 for none. */
  readonly directEvery: number;
}

const RING_MS = 150;
const TALK_MS = 250;
const STORIES: readonly Variant["story"][] = ["plain", "plain", "reinvite", "callee-hangs-up", "cancel"];
/** Nobody is killed at a moment of these calls. */
const NOWHERE: Omit<Variant, "story"> = {
  moment: { at: "received", side: "caller", method: "", status: 0 },
  steer: { side: "caller", method: "", status: 0 },
};

export interface LoadOutcome {
  readonly calls: readonly CallOutcome[];
  /** Calls that could not be begun, for every phone had one. */
  readonly skipped: number;
}

/** Begins calls at a fixed rate, and waits for the last. */
export async function runLoad(
  slots: readonly Slot[],
  { rate, seconds, directEvery }: Load,
  mayRefuse: boolean,
): Promise<LoadOutcome> {
  const free = [...slots];
  const running: Promise<CallOutcome>[] = [];
  const startedAt = performance.now();
  let [begun, skipped] = [0, 0];
  while (begun < rate * seconds) {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - startedAt) / 1_000) * rate));
    for (; begun < due; begun++) {
      const slot = free.shift();
      if (!slot) {
        skipped++;
        continue;
      }
      const direct = directEvery > 0 && begun % directEvery === 0;
      const story = direct ? "plain" : (STORIES[begun % STORIES.length] ?? "plain");
      const call = runCall(
        slot,
        direct ? "direct" : "b2bua",
        { ...NOWHERE, story },
        randomBytes(9).toString("hex"),
        {
          ringMs: RING_MS,
          talkMs: TALK_MS,
          mayRefuse,
        },
      );
      running.push(call);
      void call.finally(() => free.push(slot)).catch(() => undefined);
    }
    await delay(5);
  }
  return { calls: await Promise.all(running), skipped };
}
