import type { RedisConnection } from "#state/redis/connection.ts";
import { bansKey } from "./ban.keys.ts";

/** An address that the cluster does not read, until when and why. */
export interface StoredBan {
  readonly host: string;
  readonly untilMs: number;
  readonly offence: string;
  /** The address is the offender's own: he has had answers there. */
  readonly proven: boolean;
}

/** Bans that the cluster keeps; an attack from more addresses than that is not for a list. */
const MAX_BANS = 2_000;

type Client = Pick<RedisConnection, "hset" | "hlen" | "hgetall" | "hdel">;

/** Tells the other processes of a ban. */
export async function storeBan(redis: Client, ban: StoredBan): Promise<void> {
  if ((await redis.hlen(bansKey)) < MAX_BANS) await redis.hset(bansKey, ban.host, JSON.stringify(ban));
}

/** The bans in force. Those that have ended are struck on the way. */
export async function fetchBans(redis: Client, nowMs: number): Promise<StoredBan[]> {
  const stored = Object.values(await redis.hgetall(bansKey)).map((json) => JSON.parse(json) as StoredBan);
  const ended = stored.filter(({ untilMs }) => untilMs <= nowMs).map(({ host }) => host);
  if (ended.length > 0) await redis.hdel(bansKey, ...ended);
  return stored.filter(({ untilMs }) => untilMs > nowMs);
}

/** Ends a ban in every process within seconds; false when there was none. */
export const liftBan = async (redis: Client, host: string): Promise<boolean> =>
  (await redis.hdel(bansKey, host)) > 0;
