import type { InstanceCard } from "#state/instance/instance.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { defineScript } from "#state/redis/script.ts";
import { placementKey } from "./talk-group.keys.ts";

/** Where a group's audio is. */
export interface Placement {
  readonly instance: string;
  /** Grows by one each time that the group moves. */
  readonly epoch: number;
}

/** What choosing an instance looks at; an InstanceCard of a media process satisfies it. */
export type MediaInstance = Pick<InstanceCard, "instance" | "load" | "draining">;

/** A placement that is not renewed this long is forgotten, in ms. Its media process renews it while somebody is in the group. */
export const PLACEMENT_TTL_MS = 900_000;

const placeScript = defineScript({
  source: new URL("./place-group.lua", import.meta.url),
  keys: ["placement"],
  args: ["alive", "candidate", "ttlMs"],
  reply(raw): Placement | undefined {
    const [instance, epoch] = raw as [string?, number?];
    return instance === undefined || epoch === undefined ? undefined : { instance, epoch };
  },
});

/**
 * Says which media instance a group lives on, and places it when it lives nowhere: on the least loaded instance that takes
 * new work. Everyone who asks at the same time gets the same answer.
 *
 * @param alive the media instances that are alive, draining ones included: they keep what they have
 * @returns undefined when no instance can take it
 */
export function placeGroup(
  redis: RedisConnection,
  group: string,
  alive: readonly MediaInstance[],
): Promise<Placement | undefined> {
  const candidate = alive.filter(({ draining }) => !draining).sort((a, b) => a.load - b.load)[0];
  return placeScript(
    redis,
    { placement: placementKey(group) },
    {
      alive: JSON.stringify(alive.map(({ instance }) => instance)),
      candidate: candidate?.instance ?? "",
      ttlMs: PLACEMENT_TTL_MS,
    },
  );
}

/** Where a group was placed last; its instance may be dead by now. */
export async function findPlacement(redis: RedisConnection, group: string): Promise<Placement | undefined> {
  const text = await redis.get(placementKey(group));
  return text === null ? undefined : (JSON.parse(text) as Placement);
}

/** Keeps the placements of groups that somebody is in. */
export async function renewPlacements(redis: RedisConnection, groups: Iterable<string>): Promise<void> {
  await Promise.all([...groups].map((group) => redis.pexpire(placementKey(group), PLACEMENT_TTL_MS)));
}
