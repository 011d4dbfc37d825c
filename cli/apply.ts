import { readFileSync } from "node:fs";
import type { Config } from "#common/config.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { createLogger } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import type { Provision } from "#state/directory/provision.ts";
import { connect } from "#state/redis/connection.ts";
import { readReady } from "./up/ready.ts";
import { tell } from "./tell.ts";

/** `crossband apply`: validates a provisioning file and writes it. Resolves with the exit code. */
export async function apply(config: Config, file: string, checkOnly: boolean): Promise<number> {
  const provision = readProvision(file);
  const summary = `${count(provision.users, "user")}, ${count(provision.talkGroups, "talk group")}, ${count(provision.radioChannels, "radio channel")}, ${count(provision.trunks, "trunk")}`;
  if (checkOnly) {
    tell(process.stdout, `${file} is valid: ${summary}`);
    return 0;
  }
  const url = config.redisUrl ?? readReady(config.home)?.redis;
  if (url === undefined)
    throw new CrossbandError(
      ErrorCode.ConfigInvalid,
      `set REDIS_URL, or start \`crossband up\` first (no ${config.home}/ready.json)`,
    );
  const redis = connect(url, { log: createLogger("apply", "apply", "fatal") });
  try {
    await applyProvision(redis, provision);
  } catch (cause) {
    throw new CrossbandError(
      ErrorCode.StateUnavailable,
      "Redis did not take the provisioning; is it running?",
      {},
      { cause },
    );
  } finally {
    redis.disconnect();
  }
  tell(process.stdout, `applied ${file}: ${summary}`);
  return 0;
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
