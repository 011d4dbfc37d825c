import { LRUCache } from "lru-cache";
import type { Clock } from "#common/clock.ts";
import { knownInstances, listInstances } from "#state/instance/instance.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { placeGroup } from "#state/talk-group/place-group.ts";
import type { PlaceGroup } from "./media-client.ts";

/** How long a place is remembered, in ms: a fraction of PLACEMENT_TTL_MS, so that nobody else has forgotten it meanwhile. */
const PLACE_LIFE_MS = 60_000;
/** Groups whose place is remembered. */
const MAX_PLACES = 10_000;

/**
 * Finds the media instance of a group, or gives the group to one. A group stays where it is while its instance lives, so a
 * place is remembered as long as its instance is among the living, of whom each renewal of our own lease tells: most calls
 * ask Redis nothing.
 */
export function createPlacement(redis: RedisConnection, clock: Pick<Clock, "now">): PlaceGroup {
  const places = new LRUCache<string, { readonly instance: string; readonly untilMs: number }>({
    max: MAX_PLACES,
  });
  // A Redis that came back, or took another's place, may have lost what was placed last.
  redis.on("ready", () => {
    places.clear();
  });
  return async (group, again = false) => {
    const cards = await (again ? listInstances(redis) : knownInstances(redis));
    const alive = cards.filter(({ role }) => role === "media");
    const known = again ? undefined : places.get(group);
    if (known && known.untilMs > clock.now() && alive.some(({ instance }) => instance === known.instance))
      return known.instance;
    const untilMs = clock.now() + PLACE_LIFE_MS;
    const instance = (await placeGroup(redis, group, alive))?.instance;
    if (instance !== undefined) places.set(group, { instance, untilMs });
    return instance;
  };
}
