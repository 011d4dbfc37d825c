import { defineScript, type ScriptClient } from "#state/redis/script.ts";
import { bindingsOf, type Binding } from "./binding.ts";
import { bindingsKey } from "./registration.keys.ts";

const script = defineScript({
  source: new URL("./fetch-bindings.lua", import.meta.url),
  keys: ["bindings"],
  args: [],
  reply: (raw): Binding[] => bindingsOf(raw as string[]),
});

/** Where a user is reached now, most preferred first. */
export const fetchBindings = (redis: ScriptClient, user: string): Promise<Binding[]> =>
  script(redis, { bindings: bindingsKey(user) }, {});

/** Drops one binding whose connection is known to be gone. A registration made since under the same key stays. */
export async function forgetBinding(
  redis: ForgetClient,
  user: string,
  { key, expiresAtMs }: Pick<Binding, "key" | "expiresAtMs">,
): Promise<void> {
  const field = await redis.hget(bindingsKey(user), key);
  if (field?.startsWith(`${expiresAtMs} `) === true) await redis.hdel(bindingsKey(user), key);
}

interface ForgetClient {
  hget(key: string, field: string): Promise<string | null>;
  hdel(key: string, field: string): Promise<number>;
}
