import type { Clock } from "#common/clock.ts";
import { listInstances, type InstanceCard } from "#state/instance/instance.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { placeGroup } from "#state/talk-group/place-group.ts";
import type { PlaceGroup } from "./media-client.ts";

/** How long the list of media processes is remembered, in ms: about a third of their lease. */
const LIST_LIFE_MS = 300;

/** Groups whose place is remembered as long as the list is; with more, the rest is asked for each time. */
const MAX_PLACES = 10_000;

/**
 * Finds the media instance of a group, or gives the group to one. A group stays where it is while its instance lives, so
 * what was found is as good as the list of the living, and remembered as long.
 */
export function createPlacement(redis: RedisConnection, clock: Pick<Clock, "now">): PlaceGroup {
  let known: { list: Promise<InstanceCard[]>; atMs: number } | undefined;
  const places = new Map<string, string>();
  const media = async (): Promise<InstanceCard[]> => {
    if (!known || clock.now() - known.atMs >= LIST_LIFE_MS) {
      const list = listInstances(redis);
      known = { list, atMs: clock.now() };
      places.clear();
      list.catch(() => {
        known = undefined;
      });
    }
    return (await known.list).filter(({ role }) => role === "media");
  };
  return async (group, again = false) => {
    const alive = await media();
    const remembered = again ? undefined : places.get(group);
    if (remembered !== undefined) return remembered;
    const instance = (await placeGroup(redis, group, alive))?.instance;
    if (instance !== undefined && places.size < MAX_PLACES) places.set(group, instance);
    return instance;
  };
}
