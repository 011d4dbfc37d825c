import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CrossbandError, ErrorCode } from "#common/errors.ts";

/**
 * Makes the home and takes its lock, so that two supervisors never share one.
 *
 * @returns the release of the lock
 * @throws CrossbandError SETUP_FAILED when another supervisor runs there, or the folder cannot be written
 */
export function openHome(home: string): () => void {
  const lock = join(home, "up.pid");
  try {
    mkdirSync(home, { recursive: true });
    chmodSync(home, 0o700);
    const holder = holderOf(lock);
    if (holder !== undefined)
      throw new CrossbandError(
        ErrorCode.SetupFailed,
        `Crossband already runs in ${home} (process ${holder}); stop it, or set CROSSBAND_HOME to another folder`,
      );
    writeFileSync(lock, String(process.pid));
    rmSync(join(home, "ready.json"), { force: true });
  } catch (error) {
    if (error instanceof CrossbandError) throw error;
    throw new CrossbandError(
      ErrorCode.SetupFailed,
      `cannot write to ${home}: ${(error as Error).message}; set CROSSBAND_HOME`,
      {},
      { cause: error },
    );
  }
  return () => {
    rmSync(lock, { force: true });
    rmSync(join(home, "ready.json"), { force: true });
  };
}

function holderOf(lock: string): number | undefined {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return undefined;
    // The pid may have been given to another program since.
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("crossband") ? pid : undefined;
  } catch {
    return undefined;
  }
}
