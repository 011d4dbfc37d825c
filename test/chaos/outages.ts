import { detailsOf, durationError, findLeftovers, readDetails } from "./audit.ts";
import { Cluster } from "./cluster.ts";
import { runLoad, type Load } from "./load.ts";
import { delay } from "./peers.ts";
import { closeSlots, openSlots, provisionFor } from "./slots.ts";

/** Something that happens to the cluster while calls go on. */
interface Outage {
  readonly name: string;
  readonly title: string;
  readonly load: Load;
  /** New calls may be refused with 503 meanwhile: they are told so, and are not lost. */
  readonly mayRefuse: boolean;
  readonly happen: (cluster: Cluster, say: (line: string) => void) => Promise<void>;
}

export interface OutageReport {
  readonly outage: string;
  readonly title: string;
  readonly calls: number;
  readonly completed: number;
  readonly refused: number;
  readonly lost: readonly string[];
  readonly cdrMissing: number;
  readonly cdrDuplicated: number;
  readonly cdrWrongDuration: number;
  readonly longestStallMs: number;
  readonly leftovers: readonly string[];
  readonly passed: boolean;
}

const SLOTS = 60;
/** A Redis that is away this long costs the calls of that time no more than this, in ms: it, a command's limit and a retransmission. */
const STALL_MS = 12_000;

export const OUTAGES: readonly Outage[] = [
  {
    name: "rolling-restart",
    title: "all instances restarted one after another",
    load: { rate: 50, seconds: 20, directEvery: 10 },
    mayRefuse: false,
    async happen(cluster, say) {
      await delay(2_000);
      for (const instance of cluster.instances) {
        const { exitCode, leftInMs } = await cluster.replace(instance);
        say(`${instance.name} left in ${leftInMs} ms with ${String(exitCode)}`);
      }
    },
  },
  {
    name: "redis-restart",
    title: "Redis killed and started again",
    load: { rate: 15, seconds: 10, directEvery: 10 },
    mayRefuse: true,
    async happen({ redisServer }) {
      await delay(3_000);
      await redisServer.kill();
      await delay(1_000);
      await redisServer.revive();
    },
  },
  {
    name: "redis-pause",
    title: "Redis stands still for 5 s",
    load: { rate: 15, seconds: 12, directEvery: 10 },
    mayRefuse: true,
    async happen({ redisServer }) {
      await delay(3_000);
      redisServer.pause();
      await delay(5_000);
      redisServer.resume();
    },
  },
];

/** Runs one outage under load in a cluster of its own. */
export async function runOutage(outage: Outage, say: (line: string) => void): Promise<OutageReport> {
  const cluster = await Cluster.start(provisionFor(SLOTS));
  const slots = await openSlots(SLOTS, `127.0.0.1:${cluster.sprayer.port}`);
  try {
    const [{ calls, skipped }] = await Promise.all([
      runLoad(slots, outage.load),
      outage.happen(cluster, say),
    ]);
    if (skipped > 0) say(`${skipped} calls were not begun: every phone had one`);
    const users = slots.flatMap(({ caller, callee }) => [caller.options.user, callee.options.user]);
    const leftovers = await findLeftovers(cluster.redis, users);
    const details = await readDetails(cluster.redis);
    const isRefused = ({ lost }: { lost: string | undefined }): boolean =>
      outage.mayRefuse && lost?.includes("INVITE was answered 503") === true;
    const refused = calls.filter(isRefused);
    const taken = calls.filter((call) => !isRefused(call));
    const lost = taken.flatMap((call) =>
      call.lost === undefined ? [] : [`${call.kind} ${call.variant.story}: ${call.lost}`],
    );
    const found = taken.map((call) => ({ call, records: detailsOf(details, call) }));
    const longestStallMs = Math.max(0, ...taken.map(({ stallMs }) => stallMs));
    const counts = {
      cdrMissing: found.filter(({ records }) => records.length === 0).length,
      cdrDuplicated: found.filter(({ records }) => records.length > 1).length,
      cdrWrongDuration: found.filter(({ call, records }) =>
        records.some((one) => durationError(call, one) > 0),
      ).length,
    };
    return {
      outage: outage.name, title: outage.title, calls: calls.length, completed: taken.length - lost.length, refused: refused.length, lost,
      ...counts, longestStallMs, leftovers,
      passed:
        lost.length === 0 && leftovers.length === 0 && longestStallMs < STALL_MS && Object.values(counts).every((n) => n === 0),
    }; // prettier-ignore
  } finally {
    closeSlots(slots);
    await cluster.stop();
  }
}
