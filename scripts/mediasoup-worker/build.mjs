// Compiles mediasoup's worker from the sources in its npm package, against the system's libraries.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  COMPILER_FLAGS,
  FLATC_FLAGS,
  LIBRARIES,
  PATCHES,
  PKG_CONFIG_MODULES,
  listSources,
} from "./recipe.mjs";

const run = promisify(execFile);
const shims = fileURLToPath(new URL("shims/", import.meta.url));

/**
 * Builds into `buildDir` and resolves to the binary's path.
 *
 * @param packageDir node_modules/mediasoup; it is only read, the patch is made on a copy
 * @param progress called with (done, total) after each file
 */
export async function buildWorker(packageDir, buildDir, progress) {
  const worker = join(buildDir, "worker");
  mkdirSync(buildDir, { recursive: true });
  for (const part of ["src", "include", "deps", "fbs", "meson.build"])
    cpSync(join(packageDir, "worker", part), join(worker, part), { recursive: true });
  PATCHES.forEach((patch) => applyPatch(worker, patch));

  const generated = join(buildDir, "generated");
  const schemas = readdirSync(join(worker, "fbs")).filter((name) => name.endsWith(".fbs"));
  mkdirSync(join(generated, "FBS"), { recursive: true });
  await run("flatc", [
    ...FLATC_FLAGS,
    "-o",
    join(generated, "FBS"),
    ...schemas.map((name) => join(worker, "fbs", name)),
  ]);

  const flags = [
    ...COMPILER_FLAGS,
    ...[shims, generated, "include", "deps/libwebrtc", "deps/libwebrtc/libwebrtc"].flatMap((dir) => [
      "-I",
      dir,
    ]),
    ...(await pkgConfig("--cflags")),
  ];
  const objects = await compileAll(worker, join(buildDir, "objects"), flags, progress);
  const binary = join(buildDir, "mediasoup-worker");
  await run("g++", ["-O2", "-s", "-o", binary, ...objects, ...LIBRARIES, ...(await pkgConfig("--libs"))], {
    cwd: worker,
  });
  return binary;
}

function applyPatch(worker, { file, from, to }) {
  const path = join(worker, file);
  const text = readFileSync(path, "utf8");
  if (text.includes(to)) return;
  if (text.split(from).length !== 2)
    throw new Error(`the patch of ${file} does not apply to this mediasoup version`);
  writeFileSync(path, text.replace(from, to));
}

async function pkgConfig(what) {
  const { stdout } = await run("pkg-config", [what, ...PKG_CONFIG_MODULES]);
  return stdout.split(/\s+/).filter(Boolean);
}

/** Largest files first, so that the last core is not left alone with the longest one. */
async function compileAll(worker, objectDir, flags, progress) {
  mkdirSync(objectDir, { recursive: true });
  const jobs = listSources(worker)
    .map((source) => ({ source, object: join(objectDir, `${source.replaceAll("/", "_")}.o`) }))
    .sort((a, b) => statSync(join(worker, b.source)).size - statSync(join(worker, a.source)).size);
  const queue = [...jobs];
  const cores = os.availableParallelism?.() ?? os.cpus().length;
  let done = 0;
  const compile = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      await run("g++", [...flags, "-c", job.source, "-o", job.object], { cwd: worker, maxBuffer: 1 << 24 });
      progress(++done, jobs.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: cores }, compile));
  } catch (error) {
    queue.length = 0;
    throw error;
  }
  return jobs.map(({ object }) => object);
}
