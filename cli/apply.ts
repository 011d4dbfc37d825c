import { readFileSync } from "node:fs";
import type { Config } from "#common/config.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { applyProvision, listResources, parseProvision, removeResource } from "#state/directory/directory.ts";
import type { Provision } from "#state/directory/provision.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { tell } from "./tell.ts";
import { withState } from "./with-state.ts";

export interface ApplyOptions {
  /** Only say whether the file is valid. */
  readonly check: boolean;
  /** Remove trunks that the file does not name. */
  readonly pruneTrunks: boolean;
}

/** `crossband apply`: validates a provisioning file and writes it. Resolves with the exit code. */
export async function apply(config: Config, file: string, options: ApplyOptions): Promise<number> {
  const provision = readProvision(file);
  const summary = `${count(provision.users, "user")}, ${count(provision.talkGroups, "talk group")}, ${count(provision.radioChannels, "radio channel")}, ${count(provision.trunks, "trunk")}`;
  if (options.check) {
    tell(process.stdout, `${file} is valid: ${summary}`);
    return 0;
  }
  const removed = await withState(config, "apply", async (redis) => {
    await applyProvision(redis, provision);
    return options.pruneTrunks ? removeTrunksBut(redis, provision) : [];
  });
  tell(process.stdout, `applied ${file}: ${summary}`);
  if (removed.length > 0) tell(process.stdout, `removed ${count(removed, "trunk")}: ${removed.join(", ")}`);
  return 0;
}

/** Removes the trunks that a file does not name; resolves with their ids. */
export async function removeTrunksBut(redis: RedisConnection, { trunks }: Provision): Promise<string[]> {
  const kept = new Set(trunks.map(({ id }) => id));
  const gone = (await listResources(redis, "trunk")).map(({ id }) => id).filter((id) => !kept.has(id));
  for (const id of gone) await removeResource(redis, "trunk", id);
  return gone;
}

/**
 * Reads and validates a provisioning file; `-` is standard input.
 *
 * @throws CrossbandError PROVISION_INVALID or CONFIG_INVALID (unreadable)
 */
export function readProvision(file: string): Provision {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new CrossbandError(
      ErrorCode.ConfigInvalid,
      `cannot read ${file}: ${(cause as Error).message}`,
      { file },
      { cause },
    );
  }
  return parseProvision(text);
}

const count = (list: readonly unknown[], noun: string): string =>
  `${list.length} ${noun}${list.length === 1 ? "" : "s"}`;
