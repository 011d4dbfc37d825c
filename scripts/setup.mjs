// Everything that must be there before Crossband or its tests can run. Safe to run again: what is there stays.
// Run alone: node scripts/setup.mjs [--tests]
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureWorker } from "./mediasoup-worker/install.mjs";
import { ensureConsole } from "./setup/console-build.mjs";
import { RUN_PROGRAMS, TEST_PROGRAMS, ensurePrograms } from "./setup/debian-packages.mjs";
import { ensureNpmPackages } from "./setup/npm-packages.mjs";
import { SetupProblem, failSetup, say } from "./setup/step.mjs";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const MINIMUM_NODE = 18;

/**
 * @param {{ forTests?: boolean }} [purpose] the tests need more programs than running does
 */
export async function setup({ forTests = false } = {}) {
  if (Number(process.versions.node.split(".")[0]) < MINIMUM_NODE)
    throw new SetupProblem(
      `Node ${process.versions.node} is too old to begin with: install Node ${MINIMUM_NODE} or newer`,
    );
  await ensureNpmPackages(root);
  if (forTests) await ensurePrograms(TEST_PROGRAMS, "the test run");
  else if (!process.env.REDIS_URL) await ensurePrograms(RUN_PROGRAMS, "Crossband without REDIS_URL");
  await ensureWorker(root);
  // A console that does not compile is a failed test, not a reason to run none.
  if (!forTests) await ensureConsole(root);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  setup({ forTests: process.argv.includes("--tests") }).then(() => say("Everything is in place"), failSetup);
}
