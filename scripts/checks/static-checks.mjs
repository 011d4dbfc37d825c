// Each check is one command of ours or of a tool; each counts as one test.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureConsole } from "../setup/console-build.mjs";
import { crossbandEnvironment } from "../setup/run-crossband.mjs";
import { nodeBinary } from "../setup/npm-packages.mjs";
import { runQuietly } from "../setup/step.mjs";

/** `args` are what the project's own Node runs: the tool's script and its arguments. */
export const STATIC_CHECKS = [
  {
    name: "prettier",
    args: ["node_modules/prettier/bin/prettier.cjs", "--check", "--cache", "--log-level=warn", "."],
  },
  { name: "eslint", args: ["node_modules/eslint/bin/eslint.js", "--max-warnings=0", "."] },
  { name: "tsc of the services", args: ["node_modules/typescript7/bin/tsc", "-p", "tsconfig.json"] },
  {
    name: "tsc of the console",
    args: ["node_modules/typescript7/bin/tsc", "-p", "console/tsconfig.json"],
    needs: "console/tsconfig.json",
  },
  {
    name: "dependency-cruiser",
    args: [
      "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs",
      "--config",
      ".dependency-cruiser.cjs",
      ".",
    ],
  },
  { name: "knip", args: ["node_modules/knip/bin/knip.js", "--no-progress"] },
  {
    name: "docker-compose.yml",
    args: [
      "node_modules/dclint/bin/dclint.cjs",
      "--max-warnings=0",
      "--config=.dclintrc.json",
      "docker-compose.yml",
    ],
  },
  { name: "Dockerfile", args: ["scripts/checks/dockerfile.mjs"] },
  { name: "package-lock.json names no host", args: ["scripts/checks/lockfile.mjs"] },
  { name: "docs/SIP.md names a test for each row", args: ["scripts/checks/sip-table.mjs"] },
  { name: "docs/CONFIGURATION.md is up to date", args: ["scripts/config-docs.ts", "--check"] },
];

/** Builds the console where it changed, as one check. */
export async function checkConsole(root) {
  try {
    await ensureConsole(root);
    process.stdout.write("✓ console builds\n");
    return { passed: 1, failed: 0, skipped: 0 };
  } catch (error) {
    process.stdout.write(`✗ console builds\n${error.message}\n`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** Runs two at a time and prints in the order of the list, each failed one with what it said. */
export async function runChecks(root, checks) {
  const wanted = checks.filter(({ needs }) => needs === undefined || existsSync(join(root, needs)));
  const results = wanted.map(() => Promise.withResolvers?.() ?? deferred());
  const queue = [...wanted.entries()];
  const work = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, check] = next;
      const started = Date.now();
      const { code, output } = await runQuietly(nodeBinary(root), check.args, {
        cwd: root,
        env: crossbandEnvironment(root),
      });
      results[index].resolve({ code, output, seconds: ((Date.now() - started) / 1000).toFixed(1) });
    }
  };
  const workers = [work(), work()];
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [index, check] of wanted.entries()) {
    const { code, output, seconds } = await results[index].promise;
    counts[code === 0 ? "passed" : "failed"] += 1;
    process.stdout.write(`${code === 0 ? "✓" : "✗"} ${check.name} (${seconds} s)\n`);
    if (code !== 0) process.stdout.write(`${output.trimEnd()}\n`);
  }
  await Promise.all(workers);
  return counts;
}

/** Promise.withResolvers came with Node 22; this file starts on older ones. */
function deferred() {
  const result = {};
  result.promise = new Promise((resolve) => {
    result.resolve = resolve;
  });
  return result;
}
