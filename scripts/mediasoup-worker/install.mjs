// Puts the mediasoup worker where worker-path.mjs looks for it. Run alone: node scripts/mediasoup-worker/install.mjs
import {
  copyFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensurePackages } from "../setup/debian-packages.mjs";
import { nodeBinary } from "../setup/npm-packages.mjs";
import { SetupProblem, counter, failSetup, runQuietly, say, step } from "../setup/step.mjs";
import { buildWorker } from "./build.mjs";
import { downloadPrebuilt } from "./prebuilt.mjs";
import { BUILD_PACKAGES } from "./recipe.mjs";
import { workerPath } from "./worker-path.mjs";

const LOCK_LIMIT_MS = 30 * 60_000;

/** Installs the worker unless it is there: the published one where it can be had, else one built here. */
export async function ensureWorker(root) {
  const target = workerPath();
  if (existsSync(target)) return;
  if (process.env.MEDIASOUP_WORKER_BIN)
    throw new SetupProblem(
      `MEDIASOUP_WORKER_BIN names ${target}, which does not exist: correct it or unset it`,
    );
  const unlock = await lock(`${dirname(target)}.lock`, () => existsSync(target));
  // Beside its final place, so that putting it there is one rename.
  const work = `${dirname(target)}.${process.pid}`;
  try {
    if (existsSync(target)) return;
    mkdirSync(work, { recursive: true });
    const packageDir = join(root, "node_modules", "mediasoup");
    const origin = (await prebuilt(root, packageDir, work)) ?? (await built(root, packageDir, work));
    install(origin, target);
    say(`mediasoup worker: ${target}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
    unlock();
  }
}

async function prebuilt(root, packageDir, work) {
  return step("Downloading the mediasoup worker", async () => {
    const { binary, reason } = await downloadPrebuilt(packageDir, join(work, "prebuilt"));
    if (binary === undefined) return void say(`  ${reason}; it will be built here`);
    chmodSync(binary, 0o755);
    const failure = await smokeTest(root, binary);
    if (failure !== undefined)
      return void say(`  the downloaded worker does not run here (${failure}); it will be built here`);
    return { binary, kind: "prebuilt" };
  });
}

async function built(root, packageDir, work) {
  await ensurePackages([...BUILD_PACKAGES, "openssl"], "building the mediasoup worker");
  const binary = await step("Building the mediasoup worker (some minutes; kept for later)", async () => {
    try {
      return await buildWorker(packageDir, join(work, "build"), counter("compiled"));
    } catch (error) {
      const detail = (error.stderr || error.message).trim().split("\n").slice(0, 20).join("\n");
      throw new SetupProblem(`the mediasoup worker could not be built:\n${detail}`);
    }
  });
  await step("Trying the mediasoup worker", async () => {
    const failure = await smokeTest(root, binary);
    if (failure !== undefined)
      throw new SetupProblem(`the mediasoup worker was built but does not work: ${failure}`);
  });
  return { binary, kind: "built" };
}

/** @returns why the worker cannot be used, or undefined */
async function smokeTest(root, binary) {
  const script = fileURLToPath(new URL("smoke-test.mjs", import.meta.url));
  const { code, output } = await runQuietly(nodeBinary(root), [script, binary], { cwd: root });
  return code === 0 ? undefined : (output.trim().split("\n")[0] ?? `it ended with ${code}`);
}

function install({ binary, kind }, target) {
  const dir = dirname(target);
  mkdirSync(dir, { recursive: true });
  const staged = join(dir, `.${process.pid}`);
  copyFileSync(binary, staged);
  chmodSync(staged, 0o755);
  writeFileSync(join(dir, "origin"), `${kind}\n`);
  renameSync(staged, target);
}

/** One build at a time on this machine. Waits for the other one; a lock whose process is gone is taken over. */
async function lock(file, alreadyDone) {
  mkdirSync(dirname(file), { recursive: true });
  const deadline = Date.now() + LOCK_LIMIT_MS;
  for (let told = false; ;) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx" });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw new SetupProblem(`cannot write to ${dirname(file)}: ${error.code}`);
    }
    if (alreadyDone()) return () => undefined;
    if (!holderLives(file)) {
      rmSync(file, { force: true });
      continue;
    }
    if (Date.now() > deadline)
      throw new SetupProblem(`another build of the mediasoup worker does not end: stop it or delete ${file}`);
    if (!told) say("Waiting for another process that is building the mediasoup worker …");
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function holderLives(file) {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    // Empty between the lock's creation and its content: count it as living, the next look will tell.
    if (pid > 0) process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  ensureWorker(root).then(() => console.log(workerPath()), failSetup);
}
