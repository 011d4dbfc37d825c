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
export const INSTANCE_RENEW_MS = 400;

const announceScript = defineScript({
  source: new URL("./announce-instance.lua", import.meta.url),
  keys: ["leases", "cards"],
  args: ["name", "card", "leaseMs"],
  reply: Number,
});

const listScript = defineScript({
  source: new URL("./list-instances.lua", import.meta.url),
  keys: ["leases", "cards"],
  args: [],
  reply: (raw) =>
    (raw as (string | null)[]).flatMap((card) => (card === null ? [] : [JSON.parse(card) as InstanceCard])),
});

const keys = { leases: instanceLeases, cards: instanceCards };

/**
 * Renews the lease of a process. Call it every INSTANCE_RENEW_MS.
 *
 * @param withCard false to leave the card as it stands: cheaper, for most renewals
 */
export const announceInstance = (
  redis: RedisConnection,
  card: InstanceCard,
  withCard = true,
): Promise<number> =>
  announceScript(redis, keys, {
    name: `${card.role}:${card.instance}`,
    card: withCard ? JSON.stringify(card) : "",
    leaseMs: INSTANCE_LEASE_MS,
  });

/** Ends the lease of a process that leaves by itself. */
export async function withdrawInstance(redis: RedisConnection, card: InstanceCard): Promise<void> {
  await redis.zrem(instanceLeases, `${card.role}:${card.instance}`);
}

/** The processes that are alive now. */
export const listInstances = (redis: RedisConnection): Promise<InstanceCard[]> => listScript(redis, keys, {});

/** The cluster's secret, made by whoever asks first. */
export async function clusterSecret(redis: RedisConnection): Promise<string> {
  await redis.setnx(clusterSecretKey, randomBytes(32).toString("hex"));
  const secret = await redis.get(clusterSecretKey);
  if (secret === null) throw new Error("cluster secret vanished between SETNX and GET");
  return secret;
}
