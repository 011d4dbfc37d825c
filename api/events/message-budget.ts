/** Lets `perSecond` messages through on average and `burst` at once. Time comes in as an argument. */
export function createMessageBudget(perSecond: number, burst: number) {
  let left = burst;
  let at = 0;
  return {
    /** False when the sender has used up what it may send. */
    spend(nowMs: number): boolean {
      left = Math.min(burst, left + ((nowMs - at) * perSecond) / 1_000);
      at = nowMs;
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
