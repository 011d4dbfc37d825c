// Runs a program of ours on the project's own Node, as if it had been started in our place.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { cacheHome, workerPath } from "../mediasoup-worker/worker-path.mjs";
import { nodeBinary } from "./npm-packages.mjs";

/** Environment of everything we start: our Node first on the PATH, the mediasoup worker named. */
export function crossbandEnvironment(root) {
  return {
    ...process.env,
    PATH: [join(root, "node_modules", ".bin"), process.env.PATH].filter(Boolean).join(delimiter),
    MEDIASOUP_WORKER_BIN: workerPath(),
    // Compiled code is kept between starts: sooner up, and 18 MB less without the TypeScript stripper in memory.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE || join(cacheHome(), "compiled"),
  };
}

/**
 * Becomes `node ...args`: whoever knows our pid then has the program itself, kill -9 included. A Node that cannot (before
 * 22.15) starts it instead, hands signals on, takes it along when it is killed, and ends with its exit code.
 */
export function runInOurPlace(root, args) {
  // The supervisor and the commands are small: a small young generation keeps them so.
  const [node, all, env] = [
    nodeBinary(root),
    ["--max-semi-space-size=1", ...args],
    crossbandEnvironment(root),
  ];
  if (typeof process.execve === "function") process.execve(node, [node, ...all], env);
  // The channel says nothing but that we are gone.
  const child = spawn(node, all, { stdio: ["inherit", "inherit", "inherit", "ipc"], env });
  for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"]) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the whole process group: the child has it already, and a second one may mean more.
      if (signal === "SIGINT" && process.stdin.isTTY) return;
      child.kill(signal);
    });
  }
  child.on("error", (error) => {
    process.stderr.write(`crossband: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
