import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { parse } from "yaml";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { directoryChannel, domainKey, resourceIndex, resourceKey, type Kind } from "./directory.keys.ts";
import {
  provisionSchema,
  type Agency,
  type Provision,
  type RadioChannel,
  type TalkGroup,
  type Trunk,
  type User,
} from "./provision.ts";

interface Resources {
  agency: Agency;
  user: User;
  "talk-group": TalkGroup;
  "radio-channel": RadioChannel;
  trunk: Trunk;
}

/** Cached resources stay this long when no change is announced, in ms. */
const CACHE_MS = 5_000;
const CACHE_ENTRIES = 20_000;

/**
 * Reads a provisioning file's text.
 *
 * @throws CrossbandError PROVISION_INVALID; its message lists each field's path and what is wrong with it
 */
export function parseProvision(text: string): Provision {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new CrossbandError(
      ErrorCode.ProvisionInvalid,
      `provisioning is not YAML: ${String(cause)}`,
      {},
      { cause },
    );
  }
  const result = provisionSchema.safeParse(value ?? {});
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join(".") || "(file)"}: ${issue.message}`,
  );
  throw new CrossbandError(ErrorCode.ProvisionInvalid, `provisioning is invalid: ${problems.join("; ")}`, {
    problems,
  });
}

/** What digest authentication stores in place of a password. */
export function digestHashes(user: string, realm: string, password: string): User["ha1"] {
  const hash = (algorithm: string) =>
    createHash(algorithm).update(`${user}:${realm}:${password}`).digest("hex");
  return { md5: hash("md5"), sha256: hash("sha256") };
}

/** Writes every resource of a file; what the file does not name stays. Safe to repeat. */
export async function applyProvision(redis: RedisConnection, file: Provision): Promise<void> {
  await redis.set(domainKey, file.domain);
  for (const agency of file.agencies) await putResource(redis, "agency", agency);
  for (const { password, ...user } of file.users)
    await putResource(redis, "user", { ...user, ha1: digestHashes(user.id, file.domain, password) });
  for (const group of file.talkGroups) await putResource(redis, "talk-group", group);
  for (const channel of file.radioChannels) await putResource(redis, "radio-channel", channel);
  for (const trunk of file.trunks) await putResource(redis, "trunk", trunk);
}

export async function putResource<K extends Kind>(
  redis: RedisConnection,
  kind: K,
  resource: Resources[K],
): Promise<void> {
  await redis.set(resourceKey(kind, resource.id), JSON.stringify(resource));
  await redis.sadd(resourceIndex(kind), resource.id);
  await redis.publish(directoryChannel, `${kind}:${resource.id}`);
}

/** Takes a resource away. What others say of it by name then names nothing. */
export async function removeResource(redis: RedisConnection, kind: Kind, id: string): Promise<void> {
  await redis.srem(resourceIndex(kind), id);
  await redis.del(resourceKey(kind, id));
  await redis.publish(directoryChannel, `${kind}:${id}`);
}

export async function getResource<K extends Kind>(
  redis: RedisConnection,
  kind: K,
  id: string,
): Promise<Resources[K] | undefined> {
  const text = await redis.get(resourceKey(kind, id));
  return text === null ? undefined : (JSON.parse(text) as Resources[K]);
}

/** All resources of a kind, by id. For small kinds and administration, not for the path of a call. */
export async function listResources<K extends Kind>(
  redis: RedisConnection,
  kind: K,
): Promise<Resources[K][]> {
  const ids = (await redis.smembers(resourceIndex(kind))).sort();
  const found = await Promise.all(ids.map((id) => getResource(redis, kind, id)));
  return found.filter((resource) => resource !== undefined);
}

/** The SIP domain, which is the digest realm too. */
export const getDomain = async (redis: RedisConnection, fallback: string): Promise<string> =>
  (await redis.get(domainKey)) ?? fallback;

/** A read-through cache of the directory for the path of a call. Changes reach it at once, or within CACHE_MS. */
export interface DirectoryCache {
  get<K extends Kind>(kind: K, id: string): Promise<Resources[K] | undefined>;
  /** Calls back when a resource of a kind has changed. */
  onChange(kind: Kind, changed: () => void): void;
  close(): void;
}

/** @param subscriber a connection of its own, opened for blocking use; closed by `close()` */
export function openDirectoryCache(redis: RedisConnection, subscriber: RedisConnection): DirectoryCache {
  const cache = new LRUCache<string, { value: unknown }>({ max: CACHE_ENTRIES, ttl: CACHE_MS });
  const listeners: { readonly kind: Kind; readonly changed: () => void }[] = [];
  subscriber.on("message", (_channel: string, changed: string) => {
    cache.delete(changed);
    for (const listener of listeners) if (changed.startsWith(`${listener.kind}:`)) listener.changed();
  });
  const listen = (): void => {
    subscriber.subscribe(directoryChannel).then(
      // What changed before was not heard.
      () => {
        cache.clear();
        for (const { changed } of listeners) changed();
      },
      // A failed subscription only means that changes are seen after CACHE_MS.
      () => undefined,
    );
  };
  // At every new connection: to a Redis that came back, or to the one that took its place.
  subscriber.on("ready", listen);
  if (subscriber.status === "ready") listen();
  return {
    async get<K extends Kind>(kind: K, id: string) {
      const key = `${kind}:${id}`;
      const known = cache.get(key);
      if (known) return known.value as Resources[K] | undefined;
      const value = await getResource(redis, kind, id);
      cache.set(key, { value });
      return value;
    },
    onChange(kind, changed) {
      listeners.push({ kind, changed });
    },
    close() {
      subscriber.disconnect();
    },
  };
}
