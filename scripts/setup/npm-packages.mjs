// node_modules, and in it the Node that runs Crossband.
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { workerPath } from "../mediasoup-worker/worker-path.mjs";
import { SetupProblem, runQuietly, step } from "./step.mjs";

/** Runs `npm ci` unless node_modules already is what package-lock.json asks for. */
export async function ensureNpmPackages(root) {
  if (!matchesLock(root)) {
    await step("Installing npm packages", async () => {
      // With the variable set, mediasoup's install script leaves the worker to us.
      const env = { ...process.env, PATH: pathWithoutUs(root), MEDIASOUP_WORKER_BIN: workerPath() };
      const { code, output } = await runQuietly(
        "npm",
        ["ci", "--no-audit", "--no-fund", "--loglevel=error"],
        { cwd: root, env },
      );
      if (code !== 0)
        throw new SetupProblem(`npm ci failed; is the npm registry within reach?\n${reasonIn(output)}`);
    });
  }
  await ensureNode(root);
}

export function nodeBinary(root) {
  return join(root, "node_modules", ".bin", "node");
}

/** Compares with the lock file that npm leaves in node_modules, so that an `npm install` by hand counts as well. */
function matchesLock(root) {
  const installed = packagesOf(join(root, "node_modules", ".package-lock.json"));
  const wanted = packagesOf(join(root, "package-lock.json"));
  if (!installed || !wanted) return false;
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === "" ||
      entry.optional ||
      entry.devOptional ||
      entry.peer ||
      installed[path]?.version === entry.version,
  );
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** The `node` package fetches its binary in a preinstall script, which some settings of npm skip. */
async function ensureNode(root) {
  const wanted = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).dependencies.node;
  if ((await nodeVersion(root)) === wanted) return;
  await step(`Fetching Node ${wanted}`, async () => {
    const { code, output } = await runQuietly("node", ["installArchSpecificPackage"], {
      cwd: join(root, "node_modules", "node"),
      env: { ...process.env, PATH: pathWithoutUs(root) },
    });
    if (code !== 0)
      throw new SetupProblem(
        `Node ${wanted} could not be fetched from the npm registry\n${reasonIn(output)}`,
      );
  });
  const found = await nodeVersion(root);
  if (found !== wanted)
    throw new SetupProblem(
      `node_modules/.bin/node is ${found ?? "missing"} instead of ${wanted}: delete node_modules and start again`,
    );
}

async function nodeVersion(root) {
  if (!existsSync(nodeBinary(root))) return undefined;
  const { code, output } = await runQuietly(nodeBinary(root), ["--version"]);
  return code === 0 ? output.trim().replace(/^v/, "") : undefined;
}

/** npm puts node_modules/.bin on the PATH; what replaces the Node in there must not run on it. */
function pathWithoutUs(root) {
  const ours = join(root, "node_modules", ".bin");
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter((dir) => dir !== ours)
    .join(delimiter);
}

function reasonIn(output) {
  const lines = output.split("\n").map((line) => line.replace(/^npm (error|ERR!)\s*/, ""));
  return lines
    .filter((line) => line.trim() && !line.includes("complete log"))
    .slice(0, 8)
    .join("\n");
}
