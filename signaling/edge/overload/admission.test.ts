import { expect, it } from "vitest";
import { Admission, WINDOW_MS } from "./admission.ts";

/** A process that can serve `capacity` new requests a window, and turns one away for a twentieth of that. */
function runs(admission: Admission, offered: number, capacity: number, windows: number): number {
  let [served, backlog] = [0, 0];
  for (let window = 0; window < windows; window++) {
    let admitted = 0;
    for (let i = 0; i < offered; i++) if (admission.admit()) admitted++;
    const work = backlog + admitted + (offered - admitted) / 20;
    backlog = Math.max(0, work - capacity);
    served += Math.min(admitted, capacity);
    const waitMs = (backlog / capacity) * WINDOW_MS;
    admission.note({ utilisation: Math.min(1, work / capacity), processor: 0.9, waitMs, admitted, offered });
  }
  return served / windows;
}

it("lets everybody in while there is time for them", () => {
  const admission = new Admission();
  expect(runs(admission, 50, 100, 200)).toBe(50);
  expect(admission.perSecond).toBeUndefined();
});

it("turns nobody away for a saturated moment: a collection of garbage, a cold start", () => {
  const admission = new Admission();
  for (let i = 0; i < 20; i++)
    admission.note({
      utilisation: i % 5 === 4 ? 0.5 : 1,
      processor: 0.9,
      waitMs: 1_500,
      admitted: 10,
      offered: 10,
    });
  expect(admission.limiting).toBe(false);
});

it("turns nobody away when something else than its callers keeps it busy", () => {
  const admission = new Admission();
  for (let i = 0; i < 100; i++)
    admission.note({ utilisation: 1, processor: 0.9, waitMs: 1_500, admitted: i % 2, offered: i % 2 });
  expect(admission.limiting).toBe(false);
});

it("turns nobody away while it reads what comes within a moment: it is others that want the processor", () => {
  const admission = new Admission();
  for (let i = 0; i < 100; i++)
    admission.note({ utilisation: 1, processor: 0.2, waitMs: 40, admitted: 10, offered: 10 });
  expect(admission.limiting).toBe(false);
});

it.each([
  ["at once when it has the processor", 0.9, true],
  ["later when others have it: they may have done in a moment", 0.3, false],
])("turns some away who wait for longer than a second, %s", (_when, processor, limiting) => {
  const admission = new Admission();
  for (let i = 0; i < 10; i++)
    admission.note({ utilisation: 1, processor, waitMs: 1_200, admitted: 10, offered: 10 });
  expect(admission.limiting).toBe(limiting);
});

it("lets everybody in again although others want the processor, once nobody waits", () => {
  const admission = new Admission();
  runs(admission, 200, 100, 100);
  expect(admission.limiting).toBe(true);
  for (let i = 0; i < 100; i++)
    admission.note({ utilisation: 1, processor: 0.2, waitMs: 40, admitted: 50, offered: 50 });
  expect(admission.limiting).toBe(false);
});

it.each([
  [2, 0.85],
  [4, 0.7],
  [10, 0.4],
])("at %s times what it can serve still serves most of that", (times, share) => {
  const admission = new Admission();
  runs(admission, 100 * times, 100, 100);
  expect(runs(admission, 100 * times, 100, 600)).toBeGreaterThan(100 * share);
});

it("lets everybody in again when the crowd has gone", () => {
  const admission = new Admission();
  runs(admission, 400, 100, 100);
  expect(admission.limiting).toBe(true);
  runs(admission, 20, 100, 100);
  expect(admission.limiting).toBe(false);
});

it("keeps letting some in, however long it has been saturated", () => {
  const admission = new Admission();
  for (let i = 0; i < 10; i++)
    admission.note({ utilisation: 1, processor: 0.9, waitMs: 1_500, admitted: 100, offered: 100 });
  for (let i = 0; i < 1_000; i++)
    admission.note({ utilisation: 1, processor: 0.9, waitMs: 1_500, admitted: 1, offered: 100 });
  expect(admission.limiting).toBe(true);
  expect(admission.perSecond).toBeGreaterThanOrEqual(1_000 / WINDOW_MS);
});
