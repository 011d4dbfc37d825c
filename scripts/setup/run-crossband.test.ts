import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MODULE = new URL("run-crossband.mjs", import.meta.url).href;
/** Tells its pid, then lives until whoever started it is gone. */
const PROGRAM =
  'console.log(process.pid); setInterval(() => 0, 1_000); process.once("disconnect", () => process.exit())';
const START = `import { runInOurPlace } from ${JSON.stringify(MODULE)}; runInOurPlace(${JSON.stringify(ROOT)}, ["-e", ${JSON.stringify(PROGRAM)}]);`;

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("a program that runs in our place", () => {
  it.each([
    ["is the process that was started", [], true],
    [
      "is another one where Node cannot become it",
      ["--import", "data:text/javascript,delete process.execve"],
      false,
    ],
  ])("%s, and dies with it by kill -9", async (_title, flags, same) => {
    const child = spawn(process.execPath, [...flags, "--input-type=module", "-e", START], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const pid = Number(line);
    expect(pid === child.pid).toBe(same);
    child.kill("SIGKILL");
    await once(child, "exit");
    await expect.poll(() => isAlive(pid), { timeout: 5_000 }).toBe(false);
  });
});
