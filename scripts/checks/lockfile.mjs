// A lock file with addresses in it would tie every clone to one registry.
import { readFileSync } from "node:fs";

const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
const tied = Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined && !entry.link);
for (const [path, entry] of tied) console.error(`${path}: ${entry.resolved}`);
if (tied.length > 0) {
  console.error(
    "Install with the project's .npmrc (omit-lockfile-registry-resolved=true) and commit the lock file again.",
  );
  process.exit(1);
}

// Where a registry has only some platforms' packages, npm leaves the others out of the lock file and `npm ci` then refuses it.
const names = new Set(
  Object.keys(packages).map((path) => path.slice(path.lastIndexOf("node_modules/") + 13)),
);
const missing = Object.values(packages).flatMap(({ optionalDependencies }) =>
  Object.keys(optionalDependencies ?? {}).filter((name) => !names.has(name)),
);
for (const name of missing)
  console.error(`${name} is an optional dependency without an entry: npm ci will fail`);
if (missing.length > 0) process.exit(1);
