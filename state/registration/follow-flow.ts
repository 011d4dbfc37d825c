import { defineScript, type ScriptClient } from "#state/redis/script.ts";
import type { BindingFlow } from "./binding.ts";
import { followersKey } from "./registration.keys.ts";

/** Legs of one user that are remembered; a console with more calls than that at once finds its oldest by their next failure. */
const MAX_FOLLOWERS = 64;
/** Longer than any call that nobody notices, in ms. */
const FOLLOWERS_TTL_MS = 86_400_000;

const script = defineScript({
  source: new URL("./follow-flow.lua", import.meta.url),
  keys: ["followers"],
  args: ["leg", "flow", "binding", "max", "ttlMs"],
  reply(raw): void {
    if (raw !== "noted") throw new Error("follow-flow.lua: unknown outcome");
  },
});

/** A leg of a call that is reached over a connection which a registration named. */
export interface Follower {
  readonly leg: string;
  readonly flow: string;
  /** Key of the binding. */
  readonly key: string;
}

/** Names a connection; flows without one have no name, for they need no owner. */
export const flowNameOf = ({ instance, connection }: BindingFlow): string | undefined =>
  connection === undefined ? undefined : `${instance ?? ""}/${connection}`;

/** Notes the flow that a leg is reached by, so that the user's next REGISTER over another one finds the leg. */
export async function followFlow(
  redis: ScriptClient,
  user: string,
  { leg, flow, key }: Follower,
): Promise<void> {
  await script(
    redis,
    { followers: followersKey(user) },
    { leg, flow, binding: key, max: MAX_FOLLOWERS, ttlMs: FOLLOWERS_TTL_MS },
  );
}

/** The one command that reading needs. */
export interface FollowerClient {
  hgetall(key: string): Promise<Record<string, string>>;
}

/** The legs of a user that follow a registration. */
export async function fetchFollowers(redis: FollowerClient, user: string): Promise<Follower[]> {
  const stored = await redis.hgetall(followersKey(user));
  return Object.entries(stored).flatMap(([leg, value]) => {
    const [, flow, key] = /^\d+ (\S*) (.*)$/s.exec(value) ?? [];
    return flow === undefined || key === undefined ? [] : [{ leg, flow, key }];
  });
}

/** Strikes a leg that is over. */
export async function unfollow(
  redis: { hdel(key: string, field: string): Promise<number> },
  user: string,
  leg: string,
): Promise<void> {
  await redis.hdel(followersKey(user), leg);
}
