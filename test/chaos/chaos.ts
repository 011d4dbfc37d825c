import { startRedis } from "#test/setup/start-redis.ts";
import { readDetails, findLeftovers } from "./audit.ts";
import { openCarriers, type Carriers } from "./carriers.ts";
import { Cluster } from "./cluster.ts";
import { cutPointsOf, type CutPoint } from "./cut-points.ts";
import { judge, tableOf, type PointReport } from "./report.ts";
import { runBatch, type Cutting } from "./run-point.ts";
import { calleeOf, provisionFor, trunkOf } from "./provision.ts";
import { closeSlots, openSlots, type Slot } from "./slots.ts";
import type { Transport } from "./transports.ts";
import { Watcher } from "./watcher.ts";

export interface ChaosOptions {
  readonly transport: Transport;
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
/** Calls of each kind after which whoever watches must have been told of some. */
const LONG_RUN = 60;

/** Kills instances at every cut point, and reports what became of the calls. */
export async function runChaos({ transport, calls, points, batch, say }: ChaosOptions): Promise<ChaosReport> {
  const chosen = cutPointsOf(transport).filter(({ name }) => points.length === 0 || points.includes(name));
  let carriers: Carriers | undefined;
  const cluster = await Cluster.start({
    redis: await startRedis({ appendonly: "yes" }),
    async provision(sprayer) {
      carriers = await openCarriers(batch, sprayer);
      return provisionFor(batch, carriers.peers);
    },
    transports: [transport],
  });
  const slots = await openSlots(cluster, batch, transport, carriers?.stations);
  const watcher = await Watcher.open(cluster, transport, calleeOf(0));
  try {
    const reports: PointReport[] = [];
    for (const point of chosen) {
      const done = await runPoint(cluster, point, slots, calls, say);
      const report = judge(point, transport, done, await readDetails(cluster.redis));
      reports.push(report);
      say(tableOf([report]).split("\n")[1] ?? "");
    }
    const isLong = (["direct", "b2bua"] as const).every(
      (kind) =>
        reports.filter((one) => one.kind === kind).reduce((sum, one) => sum + one.calls, 0) >= LONG_RUN,
    );
    const users = slots.flatMap(({ caller, callee }) => [caller.user, callee.user]);
    const trunks = slots.map((_, slot) => trunkOf(slot));
    const leftovers = [
      ...(await watcher.finish(isLong)),
      ...(await findLeftovers(cluster.redis, { users, trunks })),
    ];
    const passed = leftovers.length === 0 && reports.every((report) => report.passed);
    return { points: reports, leftovers, deaths: cluster.deaths, passed };
  } finally {
    watcher.close();
    closeSlots(slots);
    await cluster.stop();
  }
}

/** Each way in which an instance may die at the point has its share of the calls. */
async function runPoint(
  cluster: Cluster,
  { name, kind, variants }: CutPoint,
  slots: readonly Slot[],
  calls: number,
  say: (line: string) => void,
): Promise<Cutting[]> {
  const done: Cutting[] = [];
  const share = Math.ceil(calls / variants.length);
  for (const variant of variants) {
    for (let [cut, tried] = [0, 0]; cut < share && tried < TRIES * share;) {
      const batch = await runBatch(cluster, kind, variant, slots.slice(0, share - cut));
      for (const call of batch) tellStory(name, call, say);
      done.push(...batch);
      cut += batch.filter((call) => call.cut).length;
      tried += batch.length;
    }
  }
  return done;
}

function tellStory(
  name: string,
  { kind, lost, stallMs, story, variant }: Cutting,
  say: (line: string) => void,
): void {
  if (story.length === 0) return;
  const { at, side, method, status } = variant.moment;
  say(
    `${name} ${kind}, ${at} ${side} ${status === 0 ? "" : `${status} to `}${method}: ${lost ?? `stalled ${stallMs} ms`}`,
  );
  for (const line of story) say(`    ${line}`);
}
