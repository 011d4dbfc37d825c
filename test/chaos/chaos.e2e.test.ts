import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runChaos, type ChaosReport } from "./chaos.ts";
import { CUT_POINTS } from "./cut-points.ts";

/** Few calls at the points where nobody else lets a call live on; `npm run chaos` does all of them at length. */
const POINTS = ["trying", "ringing", "answer", "ack"];
const CALLS = 6;

describe("an instance killed with -9 while calls are set up", () => {
  let report: ChaosReport;
  const story: string[] = [];
  beforeAll(async () => {
    report = await runChaos({ calls: CALLS, batch: CALLS, points: POINTS, say: (line) => story.push(line) });
  }, 110_000);
  afterAll(() => {
    if (!report.passed) process.stderr.write(`${story.join("\n")}\n`);
  });

  it.each(CUT_POINTS.filter(({ name }) => POINTS.includes(name)).map(({ title, kind }) => ({ title, kind })))(
    "loses no $kind call $title, and writes one right detail record for each",
    ({ title, kind }) => {
      const point = report.points.find((one) => one.title === title && one.kind === kind);
      expect(point).toMatchObject({ lost: [], cdrMissing: 0, cdrDuplicated: 0, cdrWrongDuration: 0 });
      expect(point?.killed).toBeGreaterThanOrEqual(CALLS);
    },
  );

  it("leaves nothing behind: no record, due time, media leg or registration too many or too few", () => {
    expect(report.leftovers).toEqual([]);
  });
});
