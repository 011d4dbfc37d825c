import type { CallDetail } from "#signaling/calls/call/effect.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { startSentinelSet } from "#test/setup/start-sentinel-set.ts";
import { detailsOf, durationError, findLeftovers, readDetails } from "./audit.ts";
import { Cluster, type ClusterRedis } from "./cluster.ts";
import { runLoad, type Load } from "./load.ts";
import { delay } from "./delay.ts";
import { rolledBack } from "./rolled-back.ts";
import type { CallOutcome } from "./run-call.ts";
import { provisionFor } from "./provision.ts";
import { closeSlots, openSlots } from "./slots.ts";
import { Stories } from "./stories.ts";

/** Something that happens to the cluster while calls go on. */
interface Outage {
  readonly name: string;
  readonly title: string;
  readonly load: Load;
  /** New calls may be refused with 503 meanwhile: they are told so, and are not lost. */
  readonly mayRefuse: boolean;
  readonly stage: () => Promise<Stage>;
}

/** A Redis for the cluster, and what happens to them. */
interface Stage {
  readonly redis: ClusterRedis;
  readonly happen: (cluster: Cluster, say: (line: string) => void) => Promise<Aftermath | undefined>;
}

/** What a switch from one Redis to another leaves. */
interface Aftermath {
  readonly killedMs: number;
  readonly switchedMs: number;
  /** Callers one of whose records the new one never got. */
  readonly rolledBack: readonly string[];
}

export interface OutageReport {
  readonly outage: string;
  readonly title: string;
  readonly calls: number;
  readonly completed: number;
  readonly refused: number;
  /** From the switch to another Redis to the last new call that was refused, in ms. */
  readonly refusedForMs: number;
  /** Calls that had a record which Redis acknowledged and lost with its master; they are counted as all others, too. */
  readonly rolledBack: number;
  readonly lost: readonly string[];
  readonly cdrMissing: number;
  readonly cdrDuplicated: number;
  readonly cdrWrongDuration: number;
  /** Refused calls with a record that says more than that they were refused. */
  readonly refusedRecordedWrong: number;
  readonly longestStallMs: number;
  readonly leftovers: readonly string[];
  readonly passed: boolean;
}

const SLOTS = 60;
/** A Redis that is away this long costs the calls of that time no more than this, in ms: it, a command's limit and a retransmission. */
const STALL_MS = 12_000;

/** A call that was refused and yet answered has nobody who acknowledges it: it ends after Timer H (RFC 3261 §13.3.1.4), 32 s. */
const SETTLE_MS = 40_000;
/** New calls work again this long after the switch, in ms. */
const BACK_MS = 5_000;

const withOneRedis = (
  happen: (server: RedisServer, cluster: Cluster, say: (line: string) => void) => Promise<void>,
): Outage["stage"] => {
  return async () => {
    const redis = await startRedis({ appendonly: "yes" });
    return { redis, happen: async (cluster, say) => { await happen(redis, cluster, say); return undefined; } }; // prettier-ignore
  };
};

/**
 * kill -9 of the master that three sentinels watch.
 *
 * @param behindMs how long before its death the replica gets nothing of what it acknowledges
 */
const stageFailover = (behindMs: number) => async (): Promise<Stage> => {
  const set = await startSentinelSet();
  return {
    redis: set,
    async happen(_cluster, say) {
      await delay(3_000);
      if (behindMs > 0) {
        await set.cutOffReplica();
        await delay(behindMs);
      }
      const killedMs = Date.now();
      await set.master.kill();
      const [switchedMs, callers] = await Promise.all([
        set.switched(),
        rolledBack(set.replica.url, async () => (await set.reviveAsItDied()).url),
      ]);
      say(`the sentinels switched ${switchedMs - killedMs} ms after the death`);
      return { killedMs, switchedMs, rolledBack: callers };
    },
  };
};

export const OUTAGES: readonly Outage[] = [
  {
    name: "rolling-restart",
    title: "all instances restarted one after another",
    load: { rate: 50, seconds: 20, directEvery: 10 },
    mayRefuse: false,
    stage: withOneRedis(async (_server, cluster, say) => {
      await delay(2_000);
      for (const instance of cluster.instances) {
        const { exitCode, leftInMs } = await cluster.replace(instance);
        say(`${instance.name} left in ${leftInMs} ms with ${String(exitCode)}`);
      }
    }),
  },
  {
    name: "redis-restart",
    title: "Redis killed and started again",
    load: { rate: 15, seconds: 10, directEvery: 10 },
    mayRefuse: true,
    stage: withOneRedis(async (server) => {
      await delay(3_000);
      await server.kill();
      await delay(1_000);
      await server.revive();
    }),
  },
  {
    name: "redis-pause",
    title: "Redis stands still for 5 s",
    load: { rate: 15, seconds: 12, directEvery: 10 },
    mayRefuse: true,
    stage: withOneRedis(async (server) => {
      await delay(3_000);
      server.pause();
      await delay(5_000);
      server.resume();
    }),
  },
  {
    name: "sentinel-failover",
    title: "Redis master killed, replica takes over",
    load: { rate: 15, seconds: 14, directEvery: 10 },
    mayRefuse: true,
    stage: stageFailover(0),
  },
  {
    name: "sentinel-rollback",
    title: "Redis master killed, its replica never got the last of it",
    load: { rate: 15, seconds: 14, directEvery: 10 },
    mayRefuse: true,
    stage: stageFailover(300),
  },
];

/** At most one record, of a call that was not answered. */
const isRecordedAsRefused = (records: readonly CallDetail[]): boolean =>
  records.length === 0 || (records.length === 1 && records[0]?.status === 503 && records[0].durationMs === 0);

/** Runs one outage under load in a cluster of its own. */
export async function runOutage(outage: Outage, say: (line: string) => void): Promise<OutageReport> {
  const { redis, happen } = await outage.stage();
  const cluster = await Cluster.start({ redis, provision: provisionFor(SLOTS) });
  const slots = await openSlots(cluster, SLOTS, "udp");
  const stories = new Stories(cluster);
  const startedMs = Date.now();
  try {
    const [{ calls, skipped }, aftermath] = await Promise.all([
      runLoad(slots, outage.load, outage.mayRefuse),
      happen(cluster, say),
    ]);
    say(`load over at ${Date.now() - startedMs} ms`);
    if (skipped > 0) say(`${skipped} calls were not begun: every phone had one`);
    const users = slots.flatMap(({ caller, callee }) => [caller.user, callee.user]);
    const leftovers = await findLeftovers(cluster.redis, { users }, SETTLE_MS);
    const details = await readDetails(cluster.redis);
    const isRefused = ({ lost }: { lost: string | undefined }): boolean =>
      outage.mayRefuse && lost?.startsWith("INVITE was answered 503") === true;
    const refused = calls.filter(isRefused);
    const isRolledBack = ({ user, startedMs, endedMs }: CallOutcome): boolean =>
      aftermath?.rolledBack.includes(user) === true &&
      startedMs <= aftermath.switchedMs &&
      endedMs >= aftermath.killedMs;
    const undone = calls.filter((call) => !isRefused(call) && isRolledBack(call));
    const taken = calls.filter((call) => !isRefused(call));
    const refusedForMs = Math.max(
      0,
      ...refused.map((call) => call.startedMs - (aftermath?.switchedMs ?? call.startedMs)),
    );
    const lost = taken.flatMap((call) =>
      call.lost === undefined ? [] : [`${call.kind} ${call.variant.story}: ${call.lost}`],
    );
    for (const call of taken) {
      if (call.lost === undefined) continue;
      say(
        `${call.user} at ${call.startedMs - startedMs} ms, ${call.kind} ${call.variant.story}: ${call.lost}`,
      );
      for (const line of stories.of(call)) say(`    ${line}`);
    }
    for (const line of leftovers) {
      const [, id, user] = /:call:(\S+) of (\S+)/.exec(line) ?? [];
      say(line);
      if (id !== undefined && user !== undefined)
        for (const told of stories.from(user, id, startedMs)) say(`    ${told}`);
    }
    const found = taken.map((call) => ({ call, records: detailsOf(details, call) }));
    const longestStallMs = Math.max(0, ...taken.map(({ stallMs }) => stallMs));
    const counts = {
      cdrMissing: found.filter(({ records }) => records.length === 0).length,
      cdrDuplicated: found.filter(({ records }) => records.length > 1).length,
      cdrWrongDuration: found.filter(({ call, records }) =>
        records.some((one) => durationError(call, one) > 0),
      ).length,
      refusedRecordedWrong: refused.filter((call) => !isRecordedAsRefused(detailsOf(details, call))).length,
    };
    return {
      outage: outage.name, title: outage.title, calls: calls.length, completed: taken.length - lost.length, refused: refused.length, refusedForMs,
      rolledBack: undone.length, lost, ...counts, longestStallMs, leftovers,
      passed:
        lost.length === 0 && leftovers.length === 0 && longestStallMs < STALL_MS && refusedForMs < BACK_MS && Object.values(counts).every((n) => n === 0),
    }; // prettier-ignore
  } finally {
    closeSlots(slots);
    await cluster.stop();
  }
}
