import { runChaos } from "../test/chaos/chaos.ts";
import { tableOf } from "../test/chaos/report.ts";
import { tell } from "./tell.ts";

export interface ChaosSettings {
  readonly calls: string;
  readonly batch: string;
  readonly point?: readonly string[];
  readonly json?: boolean;
}

/** `crossband chaos`: resolves with 0 when every cut point holds what the product promises. */
export async function chaos({ calls, batch, point = [], json = false }: ChaosSettings): Promise<number> {
  const report = await runChaos({
    calls: Math.max(1, Number(calls)),
    batch: Math.min(40, Math.max(1, Number(batch))),
    points: point,
    say: (line) => {
      tell(process.stderr, line);
    },
  });
  if (json) {
    tell(process.stdout, JSON.stringify(report));
    return report.passed ? 0 : 1;
  }
  tell(process.stdout, tableOf(report.points));
  for (const line of report.leftovers) tell(process.stdout, `left behind: ${line}`);
  tell(process.stdout, `${report.deaths} instances killed; ${report.passed ? "passed" : "MISSED THE BAR"}`);
  return report.passed ? 0 : 1;
}
