import { randomBytes } from "node:crypto";
import type { Cluster, Instance } from "./cluster.ts";
import type { Kind, Variant } from "./cut-points.ts";
import { delay } from "./delay.ts";
import type { Pattern } from "./packet.ts";
import { runCall, type CallOutcome } from "./run-call.ts";
import type { Slot } from "./slots.ts";
import { describeSeen, type Seen } from "./sprayer.ts";
import type { TapNews } from "./tap.ts";

export interface Cutting extends CallOutcome {
  /** The instance died at exactly the moment asked for. */
  readonly cut: boolean;
  /** From the death to the first commit of another instance on this call, in ms. */
  readonly adoptionMs: number | undefined;
  /** Its packets, for a call that was lost. */
  readonly story: readonly string[];
}

/** From the first frozen call of a batch to the death of its instance: time for the others to get there, in ms. */
const HOLD_MS = 150;
const RING_MS = 250;
const TALK_MS = 250;
/** Calls of a batch start this far apart, in ms. */
const APART_MS = 4;

/** Cuts the calls of one batch, all at the same moment of theirs, by one death. */
export async function runBatch(
  cluster: Cluster,
  kind: Kind,
  variant: Variant,
  slots: readonly Slot[],
): Promise<Cutting[]> {
  await Promise.all(slots.flatMap(({ caller, callee }) => [caller.ready(), callee.ready()]));
  const victim = await pickVictim(cluster);
  const calls = slots.map((slot) => ({ slot, callId: randomBytes(9).toString("hex"), marker: slot.marker }));
  const packets = new Map<string, Seen[]>(calls.map(({ marker }) => [marker, []]));
  const cutAt = new Set<string>();
  const committedAt = new Map<string, number>();
  let killedAtMs: number | undefined;
  const killed = Promise.withResolvers<undefined>();
  const kill = (): void => {
    if (killedAtMs !== undefined) return;
    killedAtMs = cluster.kill(victim);
    releaseMedia();
    cluster.sprayer.steers = [];
    cluster.command({ cuts: [], watch: calls.map(({ marker }) => marker) });
    killed.resolve(undefined);
  };
  cluster.onSeen = (seen) => {
    const marker = /\bsip:c\d+@/.exec(seen.packet.text)?.[0] ?? "";
    packets.get(marker)?.push(seen);
  };
  cluster.onNews = (instance: string, news: TapNews) => {
    if (news.type === "committed") {
      if (killedAtMs !== undefined && news.atMs >= killedAtMs && !committedAt.has(news.marker))
        committedAt.set(news.marker, news.atMs);
      return;
    }
    if (instance !== victim.name) return;
    cutAt.add(news.marker);
    if (cutAt.size === calls.length) kill();
    else if (cutAt.size === 1) setTimeout(kill, HOLD_MS);
  };
  await steer(cluster, kind, variant.steer, victim, calls);
  cluster.arm(victim, {
    cuts: calls.map(({ marker, callId }) => ({ marker, callId, moment: variant.moment })),
    watch: [],
  });
  const releaseMedia = variant.slowMedia ? cluster.holdMedia() : () => undefined;
  const outcomes = await Promise.all(
    calls.map(async ({ slot, callId }, i) => {
      await delay(i * APART_MS);
      return runCall(slot, kind, variant, callId, { ringMs: RING_MS, talkMs: TALK_MS });
    }),
  );
  kill();
  await killed.promise;
  return outcomes.map((outcome, i): Cutting => {
    const { marker = "", callId = "" } = calls[i] ?? {};
    const committed = committedAt.get(marker);
    return {
      ...outcome,
      cut: cutAt.has(marker),
      adoptionMs: committed === undefined ? undefined : committed - (killedAtMs ?? 0),
      story:
        outcome.lost === undefined && outcome.stallMs < 2_500
          ? []
          : [
              `killed ${victim.name} at ${(killedAtMs ?? 0) - outcome.startedMs} ms`,
              ...(packets.get(marker) ?? []).map((seen) => describeSeen(seen, outcome.startedMs, callId)),
            ],
    };
  });
}

/** Has a message of each call meet the victim: the datagram, or the connection that it comes over. */
async function steer(
  cluster: Cluster,
  kind: Kind,
  pattern: Pattern,
  victim: Instance,
  calls: readonly { readonly slot: Slot; readonly marker: string; readonly callId: string }[],
): Promise<void> {
  cluster.sprayer.steers = calls.map(({ marker, callId }) => ({ marker, callId, pattern, to: victim.name }));
  // A carrier is no phone of ours: it is reached by datagrams.
  if (kind === "trunk" && pattern.side === "callee") return;
  await Promise.all(calls.map(({ slot }) => slot[pattern.side].moveTo(victim)));
}

/** An instance that may die: two others must live on. */
async function pickVictim(cluster: Cluster): Promise<Instance> {
  for (;;) {
    const { up } = cluster;
    const victim = up[Math.floor(Math.random() * up.length)];
    if (victim && up.length > 2) return victim;
    await delay(20);
  }
}
