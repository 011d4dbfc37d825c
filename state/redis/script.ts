import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { CrossbandError, ErrorCode } from "#common/errors.ts";

/** The two Redis commands a script needs; ioredis satisfies it, so does a fake. */
export interface ScriptClient {
  evalsha(sha: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  eval(lua: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
}

export interface ScriptDefinition<Key extends string, Arg extends string, Reply> {
  readonly source: URL;
  readonly keys: readonly Key[];
  readonly args: readonly Arg[];
  /** Turns the raw reply into the outcome; throws on a reply the script cannot make. */
  readonly reply: (raw: unknown) => Reply;
}

/** Loads a Lua file once and returns a function that takes KEYS and ARGV by name. */
export function defineScript<const Key extends string, const Arg extends string, Reply>(
  definition: ScriptDefinition<Key, Arg, Reply>,
) {
  const run = load(definition);
  return async (client: ScriptClient, keys: Named<Key, string>, args: Named<Arg, string | number>) =>
    definition.reply(await run(client, [{ keys, args }]));
}

/** KEYS and ARGV of one thing that a batch script does. */
export interface ScriptRow<Key extends string, Arg extends string> {
  readonly keys: Named<Key, string>;
  readonly args: Named<Arg, string | number>;
}

/**
 * As `defineScript`, for a script that does the same to many rows: its KEYS are those of the first row, then those of the
 * next, its ARGV likewise, and it returns a list. Keys of different slots need a server that has no slots.
 */
export function defineBatchScript<const Key extends string, const Arg extends string, Reply>(
  definition: ScriptDefinition<Key, Arg, Reply>,
) {
  const run = load(definition);
  return async (client: ScriptClient, rows: readonly ScriptRow<Key, Arg>[]): Promise<Reply[]> =>
    ((await run(client, rows)) as unknown[]).map((raw) => definition.reply(raw));
}

type Named<Name extends string, Value> = Readonly<Record<Name, Value>>;

function load<Key extends string, Arg extends string>(definition: ScriptDefinition<Key, Arg, unknown>) {
  const lua = readFileSync(definition.source, "utf8");
  assertHeader(lua, definition);
  const sha = createHash("sha1").update(lua).digest("hex");
  return async (client: ScriptClient, rows: readonly ScriptRow<Key, Arg>[]): Promise<unknown> => {
    const values: string[] = [];
    for (const { keys } of rows) for (const name of definition.keys) values.push(keys[name]);
    const count = values.length;
    for (const { args } of rows) for (const name of definition.args) values.push(String(args[name]));
    try {
      return await client.evalsha(sha, count, ...values);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("NOSCRIPT"))
        return client.eval(lua, count, ...values);
      throw error;
    }
  };
}

/** The Lua header names KEYS and ARGV in order; a wrapper that disagrees must not start. */
function assertHeader(lua: string, { source, keys, args }: ScriptDefinition<string, string, unknown>): void {
  const declared = (kind: string) =>
    [...lua.matchAll(new RegExp(`^-- ${kind}\\[(\\d+)\\] (\\w+)`, "gm"))].map(
      ([, index, name]) => `${index ?? ""}:${name ?? ""}`,
    );
  const expected = (names: readonly string[]) => names.map((name, i) => `${i + 1}:${name}`);
  for (const [kind, names] of [
    ["KEYS", keys],
    ["ARGV", args],
  ] as const) {
    const [have, want] = [declared(kind).join(), expected(names).join()];
    if (have !== want)
      throw new CrossbandError(
        ErrorCode.ScriptMismatch,
        `${kind} header is [${have}], wrapper expects [${want}]`,
        { script: source.pathname },
      );
  }
}
