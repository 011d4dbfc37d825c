import type { RedisConnection } from "#state/redis/connection.ts";
import { defineScript } from "#state/redis/script.ts";
import { publicationsKey } from "./subscription.keys.ts";

/** States that one user may publish at once: one a device. */
export const MAX_PUBLICATIONS = 10;

export interface PublishRequest {
  readonly user: string;
  /** Follows from the request, so that the same request gives the same. */
  readonly tag: string;
  readonly match?: string;
  /** 0 removes. */
  readonly seconds: number;
  /** Undefined: what there is stays. */
  readonly state?: unknown;
}

export type PublishOutcome = "published" | "unknown" | "full";

/** One published state and its end, epoch ms. */
export interface Publication {
  readonly tag: string;
  readonly endsAtMs: number;
  readonly state: unknown;
}

const script = defineScript({
  source: new URL("./publish-state.lua", import.meta.url),
  keys: ["publications"],
  args: ["tag", "match", "seconds", "state", "max"],
  reply: (raw): PublishOutcome => raw as PublishOutcome,
});

/** Applies one PUBLISH. */
export const publishState = (
  redis: RedisConnection,
  { user, tag, match = "", seconds, state }: PublishRequest,
): Promise<PublishOutcome> =>
  script(
    redis,
    { publications: publicationsKey(user) },
    { tag, match, seconds, state: state === undefined ? "" : JSON.stringify(state), max: MAX_PUBLICATIONS },
  );

/** What a user's devices have published and still stands. */
export async function fetchPublications(redis: RedisConnection, user: string): Promise<Publication[]> {
  const now = Date.now();
  return Object.entries(await redis.hgetall(publicationsKey(user)))
    .map(([tag, field]) => {
      const space = field.indexOf(" ");
      return {
        tag,
        endsAtMs: Number(field.slice(0, space)),
        state: JSON.parse(field.slice(space + 1)) as unknown,
      };
    })
    .filter(({ endsAtMs }) => endsAtMs > now)
    .sort((a, b) => (a.tag < b.tag ? -1 : 1));
}
