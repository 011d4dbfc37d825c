// Where the mediasoup worker of this checkout lives. The same answer for the installer and for the running program.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));
const recipeFiles = ["recipe.mjs", "shims/srtp.h", "shims/ankerl/unordered_dense.h"];

/** `${XDG_CACHE_HOME:-~/.cache}/crossband`: what a clone may share with the next one. */
export function cacheHome(environment = process.env) {
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "crossband");
}

/** Version of mediasoup that this checkout is pinned to. */
export function mediasoupVersion() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).dependencies.mediasoup;
}

/**
 * Path of the worker binary: `MEDIASOUP_WORKER_BIN` when set, else the cached one for this version, platform and
 * recipe. It need not exist yet.
 */
export function workerPath(environment = process.env) {
  if (environment.MEDIASOUP_WORKER_BIN) return environment.MEDIASOUP_WORKER_BIN;
  const recipe = createHash("sha256");
  for (const file of recipeFiles) recipe.update(readFileSync(join(here, file)));
  const key = [mediasoupVersion(), platform(), recipe.digest("hex").slice(0, 12)].join("-");
  return join(cacheHome(environment), `mediasoup-worker-${key}`, "mediasoup-worker");
}

/** The worker links to the system's libraries, so the system's release is part of the platform. */
function platform() {
  let release = "";
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    const value = (name) => new RegExp(`^${name}="?([^"\\n]*)`, "m").exec(text)?.[1] ?? "";
    release = `${value("ID")}${value("VERSION_ID")}`;
  } catch {
    // Not a Linux with os-release: kernel and processor are all there is to tell.
  }
  return [process.platform, process.arch, release].filter(Boolean).join("-");
}
