// The web console, built when its sources have changed since the last time.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeBinary } from "./npm-packages.mjs";
import { SetupProblem, runQuietly, step } from "./step.mjs";

const STAMP = "console/dist/.stamp";

export async function ensureConsole(root) {
  if (!existsSync(join(root, "console/index.html"))) return;
  const stamp = sourceHash(root);
  if (existsSync(join(root, "console/dist/index.html")) && readStamp(root) === stamp) return;
  await step("Building the console", async () => {
    const { code, output } = await runQuietly(
      nodeBinary(root),
      [join(root, "node_modules/vite/bin/vite.js"), "build", "console"],
      { cwd: root },
    );
    if (code !== 0) {
      const lines = output
        .trim()
        .split("\n")
        .filter((line) => !/^\s+at /.test(line));
      throw new SetupProblem(`the console could not be built:\n${lines.slice(-12).join("\n")}`);
    }
    mkdirSync(join(root, "console/dist"), { recursive: true });
    writeFileSync(join(root, STAMP), stamp);
  });
}

/** The console compiles its own folder and types of common/; a new version of a package changes the lock file. */
function sourceHash(root) {
  const hash = createHash("sha256").update(readFileSync(join(root, "package-lock.json")));
  for (const folder of ["console", "common"])
    for (const file of listFiles(join(root, folder)))
      hash.update(file.slice(root.length)).update(readFileSync(file));
  return hash.digest("hex");
}

function listFiles(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .filter(
      (entry) => entry.name !== "dist" && entry.name !== "node_modules" && !entry.name.includes(".test."),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? listFiles(join(dir, entry.name)) : entry.isFile() ? [join(dir, entry.name)] : [],
    );
}

function readStamp(root) {
  try {
    return readFileSync(join(root, STAMP), "utf8");
  } catch {
    return undefined;
  }
}
