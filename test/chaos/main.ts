/** `npm run chaos`: exit code 0 when every cut point holds what the product promises. */
import { Command, InvalidArgumentError } from "commander";
import { runChaos, type ChaosReport } from "./chaos.ts";
import { CUT_POINTS } from "./cut-points.ts";
import { tableOf } from "./report.ts";

const NAMES = [...new Set(CUT_POINTS.map(({ name }) => name))];
const MOST_IN_A_BATCH = 40;
const say = (stream: NodeJS.WritableStream, line: string): void => void stream.write(`${line}\n`);

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("must be a number from 1");
  return value;
}

function print({ points, leftovers, deaths, passed }: ChaosReport): void {
  say(process.stdout, tableOf(points));
  for (const line of leftovers) say(process.stdout, `left behind: ${line}`);
  say(process.stdout, `${deaths} instances killed; ${passed ? "passed" : "MISSED THE BAR"}`);
}

const program = new Command("npm run chaos --")
  .description(
    "Kills signaling processes at every point of a call, on this machine, and reports what became of the calls.",
  )
  .option("--calls <n>", "calls to cut at each point", count, 50)
  .option(
    "--batch <n>",
    `calls that one death cuts, ${MOST_IN_A_BATCH} at most; 1 kills for each call alone`,
    count,
    10,
  )
  .option("--point <names...>", `only these cut points, of ${NAMES.join(", ")}`)
  .option("--json", "print the report as JSON")
  .parse();
const options = program.opts<{ calls: number; batch: number; point?: string[]; json?: true }>();
const report = await runChaos({
  calls: options.calls,
  batch: Math.min(MOST_IN_A_BATCH, options.batch),
  points: options.point ?? [],
  say: (line) => { say(process.stderr, line); }, // prettier-ignore
});
if (options.json === true) say(process.stdout, JSON.stringify(report));
else print(report);
process.exitCode = report.passed ? 0 : 1;
