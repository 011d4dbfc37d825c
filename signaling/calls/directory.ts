import type { Clock } from "#common/clock.ts";
import { getDomain, listResources, type DirectoryCache } from "#state/directory/directory.ts";
import type { TalkGroup, Trunk, User } from "#state/directory/provision.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { OwnHosts } from "./routing/address.ts";
import type { Lookup } from "./routing/target.ts";

/** How long lists and the domain are remembered, in ms; single resources are dropped as they change. */
const LIST_LIFE_MS = 5_000;

export interface CallDirectory extends Lookup {
  own(): Promise<OwnHosts>;
  /** Users who may join a group. */
  membersOf(group: TalkGroup): Promise<readonly User[]>;
}

export interface CallDirectoryOptions {
  readonly redis: RedisConnection;
  readonly cache: Pick<DirectoryCache, "get">;
  readonly clock: Pick<Clock, "now">;
  /** Trunks in use. */
  readonly trunks: () => Promise<readonly Trunk[]>;
  readonly domain: string;
  /** Hosts that clients reach us at, besides the domain. */
  readonly addresses: ReadonlySet<string>;
  readonly emergencyGroup: string | undefined;
}

/** The directory as call control asks it. */
export function createCallDirectory({
  redis,
  cache,
  clock,
  trunks,
  domain,
  addresses,
  emergencyGroup,
}: CallDirectoryOptions): CallDirectory {
  const own = remember(clock, async (): Promise<OwnHosts> => ({
    domain: await getDomain(redis, domain),
    addresses,
  }));
  const users = remember(clock, (): Promise<readonly User[]> => listResources(redis, "user"));
  return {
    own,
    trunks,
    emergencyGroup,
    talkGroup: (id) => cache.get("talk-group", id),
    user: (id) => cache.get("user", id),
    async membersOf({ members, agency }) {
      if (members.length === 0) return (await users()).filter((user) => user.agency === agency);
      const found = await Promise.all(members.map((id) => cache.get("user", id)));
      return found.filter((user) => user !== undefined);
    },
  };
}

/** Calls `read` at most once each LIST_LIFE_MS; a failure is not remembered. */
function remember<T>(clock: Pick<Clock, "now">, read: () => Promise<T>): () => Promise<T> {
  let known: { value: Promise<T>; atMs: number } | undefined;
  return () => {
    if (known && clock.now() - known.atMs < LIST_LIFE_MS) return known.value;
    const value = read();
    const entry = { value, atMs: clock.now() };
    known = entry;
    value.catch(() => {
      if (known === entry) known = undefined;
    });
    return value;
  };
}
