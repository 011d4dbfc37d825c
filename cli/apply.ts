import { readFileSync } from "node:fs";
import type { Config } from "#common/config.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import type { Provision } from "#state/directory/provision.ts";
import { tell } from "./tell.ts";
import { withState } from "./with-state.ts";

/** `crossband apply`: validates a provisioning file and writes it. Resolves with the exit code. */
export async function apply(config: Config, file: string, checkOnly: boolean): Promise<number> {
  const provision = readProvision(file);
  const summary = `${count(provision.users, "user")}, ${count(provision.talkGroups, "talk group")}, ${count(provision.radioChannels, "radio channel")}, ${count(provision.trunks, "trunk")}`;
  if (checkOnly) {
    tell(process.stdout, `${file} is valid: ${summary}`);
    return 0;
  }
  await withState(config, "apply", (redis) => applyProvision(redis, provision));
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
