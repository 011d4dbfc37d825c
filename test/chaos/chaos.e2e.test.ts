import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runChaos, type ChaosReport } from "./chaos.ts";
import { cutPointsOf } from "./cut-points.ts";
import { runSippStory } from "./sipp-story.ts";

/** Few calls at the points where nobody else lets a call live on; `npm run chaos` does all of them at length. */
const RUNS = [
  { transport: "udp", calls: 6, points: ["trying", "ringing", "answer", "ack"] },
  { transport: "tcp", calls: 4, points: ["trying", "cancel"] },
  { transport: "tls", calls: 4, points: ["trying", "ack"] },
  { transport: "wss", calls: 4, points: ["trying", "answer"] },
] as const;

describe.each(RUNS)(
  "an instance killed with -9 while calls over $transport are set up",
  ({ transport, calls, points }) => {
    const chosen = cutPointsOf(transport).filter(({ name }) => (points as readonly string[]).includes(name));
    let report: ChaosReport;
    const story: string[] = [];
    beforeAll(async () => {
      report = await runChaos({ transport, calls, batch: calls, points, say: (line) => story.push(line) });
    }, 110_000);
    afterAll(() => {
      if (!report.passed) process.stderr.write(`${story.join("\n")}\n`);
    });

    it.each(chosen.map(({ title, kind }) => ({ title, kind })))(
      "loses no $kind call $title, and writes one right detail record for each",
      ({ title, kind }) => {
        const point = report.points.find((one) => one.title === title && one.kind === kind);
        expect(point).toMatchObject({ lost: [], cdrMissing: 0, cdrDuplicated: 0, cdrWrongDuration: 0 });
        expect(point?.killed).toBeGreaterThanOrEqual(calls);
      },
    );

    it("leaves nothing behind: no record, due time, media leg, subscription or registration too many or too few", () => {
      expect(report.leftovers).toEqual([]);
    });
  },
);

describe("instances killed with -9 one after another under SIPp", () => {
  it("complete every call of it, with one detail record each", async () => {
    const story: string[] = [];
    const report = await runSippStory({ rate: 4, seconds: 5 }, (line) => story.push(line));
    expect(report, story.join("\n")).toMatchObject({
      lost: [], completed: 20, cdrMissing: 0, cdrDuplicated: 0, cdrWrongDuration: 0, leftovers: [],
    }); // prettier-ignore
  }, 110_000);
});
