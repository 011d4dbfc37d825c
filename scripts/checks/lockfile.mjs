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
