import type { Clock } from "#common/clock.ts";
import { listInstances, type InstanceCard } from "#state/instance/instance.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { placeGroup } from "#state/talk-group/place-group.ts";
import type { PlaceGroup } from "./media-client.ts";

/** How long the list of media processes is remembered, in ms: about a third of their lease. */
const LIST_LIFE_MS = 300;

/** Finds the media instance of a group, or gives the group to one. */
export function createPlacement(redis: RedisConnection, clock: Pick<Clock, "now">): PlaceGroup {
  let known: { list: Promise<InstanceCard[]>; atMs: number } | undefined;
  const media = async (): Promise<InstanceCard[]> => {
    if (!known || clock.now() - known.atMs >= LIST_LIFE_MS) {
      const list = listInstances(redis);
      known = { list, atMs: clock.now() };
      list.catch(() => {
        known = undefined;
      });
    }
    return (await known.list).filter(({ role }) => role === "media");
  };
  return async (group) => (await placeGroup(redis, group, await media()))?.instance;
}
