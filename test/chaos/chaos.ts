import { readDetails, findLeftovers } from "./audit.ts";
import { Cluster } from "./cluster.ts";
import { CUT_POINTS, type CutPoint } from "./cut-points.ts";
import { judge, tableOf, type PointReport } from "./report.ts";
import { runBatch, type Cutting } from "./run-point.ts";
import { closeSlots, openSlots, provisionFor } from "./slots.ts";

export interface ChaosOptions {
  /** Calls that are to be cut at each point. */
  readonly calls: number;
  /** Names of points; all when empty. */
  readonly points: readonly string[];
  /** Calls that one death cuts. */
  readonly batch: number;
  /** Told while it runs. */
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly points: readonly PointReport[];
  /** What was left behind when all calls were over. */
  readonly leftovers: readonly string[];
  readonly deaths: number;
  readonly passed: boolean;
}

/** A point is given up when so many times the calls asked for were not enough to cut them at their moment. */
const TRIES = 3;

/** Kills instances at every cut point, and reports what became of the calls. */
export async function runChaos({ calls, points, batch, say }: ChaosOptions): Promise<ChaosReport> {
  const chosen = CUT_POINTS.filter(({ name }) => points.length === 0 || points.includes(name));
  const cluster = await Cluster.start(provisionFor(batch));
  const slots = await openSlots(batch, `127.0.0.1:${cluster.sprayer.port}`);
  try {
    const reports: PointReport[] = [];
    for (const point of chosen) {
      const done = await runPoint(cluster, point, slots, calls, say);
      const report = judge(point, "udp", done, await readDetails(cluster.redis));
      reports.push(report);
      say(tableOf([report]).split("\n")[1] ?? "");
    }
    const users = slots.flatMap(({ caller, callee }) => [caller.options.user, callee.options.user]);
    const leftovers = await findLeftovers(cluster.redis, users);
    const passed = leftovers.length === 0 && reports.every((report) => report.passed);
    return { points: reports, leftovers, deaths: cluster.deaths, passed };
  } finally {
    closeSlots(slots);
    await cluster.stop();
  }
}

async function runPoint(
  cluster: Cluster,
  point: CutPoint,
  slots: Parameters<typeof runBatch>[2],
  calls: number,
  say: (line: string) => void,
): Promise<Cutting[]> {
  const done: Cutting[] = [];
  const enough = (): boolean => done.filter(({ cut }) => cut).length >= calls || done.length >= TRIES * calls;
  while (!enough()) {
    const batch = await runBatch(cluster, point, slots.slice(0, calls), done.length);
    for (const call of batch)
      if (call.story.length > 0) {
        say(`${point.name} ${point.kind}: ${call.lost ?? `stalled ${call.stallMs} ms`}`);
        for (const line of call.story) say(`    ${line}`);
      }
    done.push(...batch);
  }
  return done;
}
