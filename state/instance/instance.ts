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

/** How long a silent process counts as alive, in ms. Detection of a death is at most this late. */
export const INSTANCE_LEASE_MS = 1_000;
/** How often a process renews its lease, in ms. */
export const INSTANCE_RENEW_MS = 500;

const cardsOf = (raw: unknown): InstanceCard[] =>
  (raw as (string | null)[]).flatMap((card) => (card === null ? [] : [JSON.parse(card) as InstanceCard]));

const announceScript = defineScript({
  source: new URL("./announce-instance.lua", import.meta.url),
  keys: ["leases", "cards"],
  args: ["name", "card", "leaseMs"],
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

/**
 * Renews the lease of a process. Call it every INSTANCE_RENEW_MS.
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
    leaseMs: INSTANCE_LEASE_MS,
  });
  lastSeen.set(redis, { atMs: performance.now(), cards });
}

/** Ends the lease of a process that leaves by itself. */
export async function withdrawInstance(redis: RedisConnection, card: InstanceCard): Promise<void> {
  await redis.zrem(instanceLeases, `${card.role}:${card.instance}`);
}

/** The processes that are alive now. */
export const listInstances = (redis: RedisConnection): Promise<InstanceCard[]> => listScript(redis, keys, {});

/**
 * The processes that were alive at this process's last renewal, which is at most INSTANCE_RENEW_MS ago: nothing is asked for
 * those who look often. Asks when this process does not renew over `redis`, or could not.
 */
export function knownInstances(redis: RedisConnection): Promise<readonly InstanceCard[]> {
  const seen = lastSeen.get(redis);
  if (seen && performance.now() - seen.atMs < 1.5 * INSTANCE_RENEW_MS) return Promise.resolve(seen.cards);
  return listInstances(redis);
}

/** The cluster's secret, made by whoever asks first. */
export async function clusterSecret(redis: RedisConnection): Promise<string> {
  await redis.setnx(clusterSecretKey, randomBytes(32).toString("hex"));
  const secret = await redis.get(clusterSecretKey);
  if (secret === null) throw new Error("cluster secret vanished between SETNX and GET");
  return secret;
}
