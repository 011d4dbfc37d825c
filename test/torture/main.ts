/** `npm run torture -- --seed 1 --count 1000000`: mutated messages through a running SIP server. Ends with 0 when it holds. */
import { parseArgs } from "node:util";
import { torture } from "./torture.ts";

const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, count: { type: "string", default: "1000000" } },
});
const [seed, count] = [Number(values.seed), Number(values.count)];
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(count) || count < 1) {
  process.stderr.write("torture: --seed and --count take whole numbers\n");
  process.exit(2);
}
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const report = await torture({
  seed,
  count,
  warmUp: Math.min(Math.floor(count / 4), 100_000),
  settleMs: 75_000,
  progress: say,
});
const { answers, heapBefore, heapAfter, crash } = report;
const seen = Object.entries(report.events).filter(([, n]) => n > 0).map(([event, n]) => `${event} ${n}`); // prettier-ignore
const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
const grown = heapAfter / heapBefore;
say(
  `Torture, seed ${seed}: ${report.sent} messages in ${report.seconds.toFixed(0)} s (waiting for memory to settle included)`,
);
say(
  `  answers      ${answers.count}: ${[...answers.byStatus]
    .sort()
    .map(([kind, n]) => `${kind} ${n}`)
    .join(", ")}`,
);
say(`  sockets      ${seen.join(", ")}`);
say(`  ill-formed   ${answers.faults.length}`);
for (const { fault, text } of answers.faults.slice(0, 10))
  say(`    ${fault}\n${JSON.stringify(text.slice(0, 600))}`);
say(
  `  heap         ${mb(heapBefore)} MB before, ${mb(heapAfter)} MB after: ${grown.toFixed(2)} (limit 1.10)`,
);
say(`  server       ${crash ?? "lives"}`);
process.exit(crash === undefined && answers.faults.length === 0 && grown <= 1.1 ? 0 : 1);
