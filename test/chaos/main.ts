/** `npm run chaos`: exit code 0 when every cut point holds what the product promises. */
import { Command, InvalidArgumentError, Option } from "commander";
import { runChaos, type ChaosReport } from "./chaos.ts";
import { CUT_POINTS } from "./cut-points.ts";
import { OUTAGES, runOutage, type OutageReport } from "./outages.ts";
import { tableOf } from "./report.ts";
import { runSippStory, SIPP_LOAD } from "./sipp-story.ts";
import { TRANSPORTS, type Transport } from "./transports.ts";

const NAMES = [...new Set(CUT_POINTS.map(({ name }) => name))];
/** What happens to a cluster beside the cut points, by name. */
const RUNS = new Map<string, (say: (line: string) => void) => Promise<OutageReport>>([
  ...OUTAGES.map((outage) => [outage.name, (say: (line: string) => void) => runOutage(outage, say)] as const),
  ["sipp", (say) => runSippStory(SIPP_LOAD, say)],
]);
const CALLS = 50;
/** A run of everything is to end within about a quarter of an hour. */
const CALLS_OF_ALL = 12;
const BATCH = 12;
const MOST_IN_A_BATCH = 40;
const say = (stream: NodeJS.WritableStream, line: string): void => void stream.write(`${line}\n`);

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("must be a number from 1");
  return value;
}

function printPoints(reports: readonly ChaosReport[]): void {
  say(process.stdout, tableOf(reports.flatMap(({ points }) => points)));
  for (const { leftovers, points } of reports)
    for (const line of leftovers)
      say(process.stdout, `left behind over ${points[0]?.transport ?? "?"}: ${line}`);
  say(process.stdout, `${reports.reduce((sum, { deaths }) => sum + deaths, 0)} instances killed`);
}

function printOutage(report: OutageReport): void {
  const {
    title,
    calls,
    completed,
    refused,
    refusedForMs,
    rolledBack,
    lost,
    cdrMissing,
    cdrDuplicated,
    cdrWrongDuration,
    refusedRecordedWrong,
    longestStallMs,
  } = report;
  say(
    process.stdout,
    `${title}: ${calls} calls, ${completed} done, ${refused} refused${refusedForMs > 0 ? ` (the last ${refusedForMs} ms after the switch)` : ""}, ${rolledBack} rolled back, ${lost.length} lost; detail records ${cdrMissing} missing, ${cdrDuplicated} twice, ${cdrWrongDuration} wrong, ${refusedRecordedWrong} of refused calls wrong; longest stall ${longestStallMs} ms; ${report.passed ? "ok" : "MISSED"}`,
  );
  for (const line of new Set(lost)) say(process.stdout, `  lost: ${line}`);
  for (const line of report.leftovers) say(process.stdout, `  left behind: ${line}`);
}

const program = new Command("npm run chaos --")
  .description(
    "Kills signaling processes at every point of a call, takes Redis away and restarts everything under load, on this machine, and reports what became of the calls.",
  )
  .option(
    "--calls <n>",
    `calls to cut at each point over each transport (${CALLS}; ${CALLS_OF_ALL} in a run of everything, which takes about a quarter of an hour)`,
    count,
  )
  .option(
    "--batch <n>",
    `calls that one death cuts, ${MOST_IN_A_BATCH} at most; 1 kills for each call alone`,
    count,
    BATCH,
  )
  .addOption(
    new Option(
      "--transport <names...>",
      "what the phones speak at the cut points; all of them unless named. Over connections they come back to another instance by themselves",
    ).choices(TRANSPORTS),
  )
  .addOption(new Option("--point <names...>", "only these cut points").choices(NAMES))
  .addOption(new Option("--outage <names...>", "only these outages").choices([...RUNS.keys()]))
  .option("--json", "print the report as JSON")
  .parse();
const options = program.opts<{
  calls?: number;
  batch: number;
  transport?: Transport[];
  point?: string[];
  outage?: string[];
  json?: true;
}>();
const { batch, transport = TRANSPORTS, point = [], outage = [] } = options;
const isWhole = [options.transport, options.point, options.outage].every((named) => named === undefined);
const calls = options.calls ?? (isWhole ? CALLS_OF_ALL : CALLS);
const tell = (line: string): void => { say(process.stderr, line); }; // prettier-ignore

// What was started goes along: the servers with this process, the instances when nobody holds their line.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const reports: ChaosReport[] = [];
if (outage.length === 0 || point.length > 0)
  for (const one of transport)
    reports.push(
      await runChaos({
        transport: one,
        calls,
        batch: Math.min(MOST_IN_A_BATCH, batch),
        points: point,
        say: tell,
      }),
    );
const outages: OutageReport[] = [];
for (const [name, run] of RUNS) if (isWhole || outage.includes(name)) outages.push(await run(tell));
const passed = [...reports, ...outages].every((report) => report.passed);
if (options.json === true) say(process.stdout, JSON.stringify({ passed, transports: reports, outages }));
else {
  if (reports.length > 0) printPoints(reports);
  outages.forEach(printOutage);
  say(process.stdout, passed ? "passed" : "MISSED THE BAR");
}
process.exitCode = passed ? 0 : 1;
