// The vitest projects one after another: those that start servers must not share two cores.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crossbandEnvironment } from "../setup/run-crossband.mjs";
import { nodeBinary } from "../setup/npm-packages.mjs";
import { endWithUs } from "../setup/step.mjs";

export const PROJECTS = ["unit", "redis", "sip", "e2e"];

/** A run that hangs must still end with its count. */
const PROJECT_LIMIT_MS = 25 * 60_000;

/** @returns how many tests passed, failed and were skipped; a file that cannot be loaded counts as one failed test */
export async function runProject(root, project) {
  process.stdout.write(`\nvitest: ${project}\n`);
  const dir = mkdtempSync(join(tmpdir(), "crossband-test-"));
  const report = join(dir, "report.json");
  const args = [
    "run",
    "--project",
    project,
    "--passWithNoTests",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ];
  const code = await run(root, ["node_modules/vitest/vitest.mjs", ...args]);
  const counts = readCounts(report);
  rmSync(dir, { recursive: true, force: true });
  // vitest fails a run for more than failed tests, an unhandled rejection for one.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

function run(root, args) {
  return new Promise((resolve) => {
    const child = spawn(nodeBinary(root), args, {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...crossbandEnvironment(root), CI: process.env.CI || "true" },
    });
    endWithUs(child);
    const limit = setTimeout(() => {
      process.stdout.write(`vitest did not end within ${PROJECT_LIMIT_MS / 60_000} minutes\n`);
      child.kill("SIGKILL");
    }, PROJECT_LIMIT_MS);
    child.on("error", () => resolve(1));
    child.on("close", (code) => {
      clearTimeout(limit);
      resolve(code ?? 1);
    });
  });
}

function readCounts(report) {
  let json;
  try {
    json = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const unloadable = json.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  return {
    passed: json.numPassedTests,
    failed: json.numFailedTests + unloadable.length,
    skipped: json.numPendingTests + (json.numTodoTests ?? 0),
  };
}
