/** `npm run chaos`: exit code 0 when every cut point holds what the product promises. */
import { Command, InvalidArgumentError } from "commander";
import { runChaos, type ChaosReport } from "./chaos.ts";
import { CUT_POINTS } from "./cut-points.ts";
import { OUTAGES, runOutage, type OutageReport } from "./outages.ts";
import { tableOf } from "./report.ts";
import type { Transport } from "./transports.ts";

const NAMES = [...new Set(CUT_POINTS.map(({ name }) => name))];
const MOST_IN_A_BATCH = 40;
const say = (stream: NodeJS.WritableStream, line: string): void => void stream.write(`${line}\n`);

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("must be a number from 1");
  return value;
}

function printPoints({ points, leftovers, deaths }: ChaosReport): void {
  say(process.stdout, tableOf(points));
  for (const line of leftovers) say(process.stdout, `left behind: ${line}`);
  say(process.stdout, `${deaths} instances killed`);
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
  .option("--calls <n>", "calls to cut at each point", count, 50)
  .option(
    "--batch <n>",
    `calls that one death cuts, ${MOST_IN_A_BATCH} at most; 1 kills for each call alone`,
    count,
    10,
  )
  .option("--point <names...>", `only these cut points, of ${NAMES.join(", ")}`)
  .option("--outage <names...>", `only these outages, of ${OUTAGES.map(({ name }) => name).join(", ")}`)
  .option("--transport <names...>", "x")
  .option("--json", "print the report as JSON")
  .parse();
const options = program.opts<{
  calls: number;
  batch: number;
  point?: string[];
  outage?: string[];
  transport?: Transport[];
  json?: true;
}>();
const { calls, batch, point = [], outage = [], transport = [] } = options;
const everything = point.length === 0 && outage.length === 0;
const tell = (line: string): void => { say(process.stderr, line); }; // prettier-ignore

// What was started goes along: the servers with this process, the instances when nobody holds their line.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const points =
  everything || point.length > 0
    ? await runChaos({
        transport: transport[0] ?? "udp",
        calls,
        batch: Math.min(MOST_IN_A_BATCH, batch),
        points: point,
        say: tell,
      })
    : undefined;
const outages: OutageReport[] = [];
for (const one of OUTAGES)
  if (everything || outage.includes(one.name)) outages.push(await runOutage(one, tell));
const passed = points?.passed !== false && outages.every((report) => report.passed);
if (options.json === true) say(process.stdout, JSON.stringify({ passed, ...points, outages }));
else {
  if (points) printPoints(points);
  outages.forEach(printOutage);
  say(process.stdout, passed ? "passed" : "MISSED THE BAR");
}
process.exitCode = passed ? 0 : 1;
