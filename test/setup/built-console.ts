import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** vitest global setup of the `e2e` project: builds the console as a start does, unless that was done since its sources changed. */
export default async function setup(): Promise<void> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const build = new URL("../../scripts/setup/console-build.mjs", import.meta.url).href;
  const program = `import { ensureConsole } from ${JSON.stringify(build)}; await ensureConsole(${JSON.stringify(root)});`;
  // In a process of its own: vitest's environment would make a development build.
  const env = { ...process.env, NODE_ENV: "production" };
  await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { cwd: root, env });
}
