import { randomBytes } from "node:crypto";
import type { RedisConnection } from "#state/redis/connection.ts";
import { defineScript } from "#state/redis/script.ts";
import { clusterSecretKey, instanceCards, instanceLeases } from "./instance.keys.ts";

export type Role = "signaling" | "edge" | "media" | "radio-bridge" | "api";

/** What the other processes need to know to reach one process. */
export interface InstanceCard {
  readonly role: Role;
  /** Unique for each start of a process: a restarted process is a new instance. */
  readonly instance: string;
  readonly pid: number;
  /** Internal listeners by name, `host:port`: `ws` of a signaling process, `drachtio` of an edge. */
  readonly listeners: Readonly<Record<string, string>>;
  /** 0 idle to 1 full; new work goes to the least loaded. */
  readonly load: number;
  /** True once the process takes no new work. */
  readonly draining: boolean;
}

/** How long a silent process counts as alive and how often it renews that, in ms. */
interface Lease {
  readonly leaseMs: number;
  readonly renewMs: number;
}

/**
 * The death of a signaling process must be seen within a second, for calls wait on it; that of a media process within two.
 * Nothing waits for the others' but a person who looks at a list. All renew and look at the same beats, so a lease ends
 * between two of them: one that ended at a beat would be seen to have ended only at the next.
 */
export const INSTANCE_LEASE: Readonly<Record<Role, Lease>> = {
  signaling: { leaseMs: 850, renewMs: 500 },
  edge: { leaseMs: 850, renewMs: 500 },
  media: { leaseMs: 1_350, renewMs: 500 },
  "radio-bridge": { leaseMs: 3_000, renewMs: 1_000 },
  api: { leaseMs: 3_000, renewMs: 1_500 },
};
/** How often any process may renew and be seen without a gap, in ms. */
export const INSTANCE_RENEW_MS = 500;
/** Somebody renews twice a second: without that for so long Redis was away, in ms. */
const SILENCE_MS = 1_000;
/** By then a process that lived through it has a connection again (at most a second between two tries) and has renewed, in ms. */
const RETURN_MS = 2_000;
/** What was seen at a renewal counts as news for this long, in ms. */
const NEWS_MS = 1_050;

const cardsOf = (raw: unknown): InstanceCard[] =>
  (raw as (string | null)[]).flatMap((card) => (card === null ? [] : [JSON.parse(card) as InstanceCard]));

const announceScript = defineScript({
  source: new URL("./announce-instance.lua", import.meta.url),
  keys: ["leases", "cards"],
  args: ["name", "card", "leaseMs", "silenceMs", "returnMs"],
  reply: cardsOf,
});

const listScript = defineScript({
  source: new URL("./list-instances.lua", import.meta.url),
  keys: ["leases", "cards"],
  args: [],
  reply: cardsOf,
});

const keys = { leases: instanceLeases, cards: instanceCards };

/** Who was alive at the last renewal over a connection. */
const lastSeen = new WeakMap<
  RedisConnection,
  { readonly atMs: number; readonly cards: readonly InstanceCard[] }
>();
/** Who wants to know at once what a renewal saw. */
const watchers = new WeakMap<RedisConnection, Set<() => void>>();

/**
 * Renews the lease of a process. Call it as often as INSTANCE_LEASE says for its role.
 *
 * @param withCard false to leave the card as it stands: cheaper, for most renewals
 */
export async function announceInstance(
  redis: RedisConnection,
  card: InstanceCard,
  withCard = true,
): Promise<void> {
  const cards = await announceScript(redis, keys, {
    name: `${card.role}:${card.instance}`,
    card: withCard ? JSON.stringify(card) : "",
    leaseMs: INSTANCE_LEASE[card.role].leaseMs,
    silenceMs: SILENCE_MS,
    returnMs: RETURN_MS,
  });
  lastSeen.set(redis, { atMs: performance.now(), cards });
  for (const seen of watchers.get(redis) ?? []) seen();
}

/**
 * Tells of every renewal over a connection: `knownInstances` has its news then. Who looks at beats of its own sees a death
 * a beat later.
 *
 * @returns a function that ends it
 */
export function watchInstances(redis: RedisConnection, seen: () => void): () => void {
  const all = watchers.get(redis) ?? new Set();
  watchers.set(redis, all.add(seen));
  return () => {
    all.delete(seen);
  };
}

/** Ends the lease of a process that leaves by itself. */
export async function withdrawInstance(redis: RedisConnection, card: InstanceCard): Promise<void> {
  await redis.zrem(instanceLeases, `${card.role}:${card.instance}`);
}

/** The processes that are alive now. */
export const listInstances = (redis: RedisConnection): Promise<InstanceCard[]> => listScript(redis, keys, {});

/**
 * The processes that were alive at this process's last renewal, when that is fresh: nothing is asked for those who look
 * often. Asks when this process does not renew over `redis`, or could not.
 */
export function knownInstances(redis: RedisConnection): Promise<readonly InstanceCard[]> {
  const seen = lastSeen.get(redis);
  if (seen && performance.now() - seen.atMs < NEWS_MS) return Promise.resolve(seen.cards);
  return listInstances(redis);
}

/** The cluster's secret, made by whoever asks first. */
export async function clusterSecret(redis: RedisConnection): Promise<string> {
  await redis.setnx(clusterSecretKey, randomBytes(32).toString("hex"));
  const secret = await redis.get(clusterSecretKey);
  if (secret === null) throw new Error("cluster secret vanished between SETNX and GET");
  return secret;
}
