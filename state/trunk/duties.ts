import type { RedisConnection } from "#state/redis/connection.ts";
import { trunkDutiesKey } from "./trunk.keys.ts";

/** Something that goes on for a peer of a trunk, in a record of its own. */
export interface Duty {
  readonly kind: "registration" | "health";
  readonly trunk: string;
  readonly peer: string;
}

/** The duties that have been taken up and not laid down, by the id of their record. */
export async function listDuties(redis: RedisConnection): Promise<ReadonlyMap<string, Duty>> {
  const stored = await redis.hgetall(trunkDutiesKey);
  return new Map(Object.entries(stored).map(([id, json]) => [id, JSON.parse(json) as Duty]));
}

export async function noteDuty(redis: RedisConnection, id: string, duty: Duty): Promise<void> {
  await redis.hset(trunkDutiesKey, id, JSON.stringify(duty));
}

export async function forgetDuty(redis: RedisConnection, id: string): Promise<void> {
  await redis.hdel(trunkDutiesKey, id);
}
