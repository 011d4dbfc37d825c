import type { RedisConnection } from "#state/redis/connection.ts";
import { trunkStatusKey } from "./trunk.keys.ts";

/** What OPTIONS says of a peer. */
export interface PeerHealth {
  readonly state: "up" | "down";
  readonly sinceMs: number;
}

/** What became of the last REGISTER to a peer. */
export interface PeerRegistration {
  readonly state: "registered" | "failed" | "trying";
  /** How long the peer keeps us; while a refresh fails too. */
  readonly untilMs?: number;
  /** Status of the answer that failed it. */
  readonly status?: number;
  /** When it is tried again. */
  readonly nextMs?: number;
}

export interface PeerStatus {
  readonly health?: PeerHealth;
  readonly registration?: PeerRegistration;
  /** Asked us to stay away until then, or did not answer a call. */
  readonly avoidUntilMs?: number;
}

/** What nobody refreshes is forgotten, in ms. */
const TTL_MS = 24 * 3_600_000;

/** Notes one thing about a peer of a trunk, for every process; undefined forgets it. */
export async function notePeer(
  redis: RedisConnection,
  trunk: string,
  peer: string,
  what: "health" | "registration" | "avoid",
  value: PeerHealth | PeerRegistration | number | undefined,
): Promise<void> {
  const key = trunkStatusKey(trunk);
  const field = `${what}|${peer}`;
  if (value === undefined) await redis.hdel(key, field);
  else {
    await redis.hset(key, field, JSON.stringify(value));
    await redis.pexpire(key, TTL_MS);
  }
}

/** What is known of the peers of a trunk, by peer. */
export async function peerStatuses(
  redis: RedisConnection,
  trunk: string,
): Promise<ReadonlyMap<string, PeerStatus>> {
  const found = new Map<string, PeerStatus>();
  for (const [field, json] of Object.entries(await redis.hgetall(trunkStatusKey(trunk)))) {
    const [, what = "", peer = ""] = /^([a-z]+)\|(.*)$/s.exec(field) ?? [];
    const value: unknown = JSON.parse(json);
    const status = found.get(peer) ?? {};
    found.set(peer, { ...status, [what === "avoid" ? "avoidUntilMs" : what]: value });
  }
  return found;
}
