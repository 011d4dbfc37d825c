// What every set-up step is written with: progress on stderr, and errors that tell the reader what to do.
import { spawn } from "node:child_process";

/** A problem that the reader can solve. Its message is printed alone, without a stack. */
export class SetupProblem extends Error {}

export function say(text) {
  process.stderr.write(`[setup] ${text}\n`);
}

/** Says what begins and how long it took. */
export async function step(title, work) {
  const started = Date.now();
  say(`${title} …`);
  const result = await work();
  say(`${title}: done in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  return result;
}

/** A counter that a terminal overwrites and a log file sees at each tenth. */
export function counter(label) {
  let lastTenth = 0;
  return (done, total) => {
    const line = `[setup]   ${label} ${done} of ${total}`;
    if (process.stderr.isTTY) {
      process.stderr.write(`\r${line}${done === total ? "\n" : ""}`);
      return;
    }
    const tenth = Math.floor((done * 10) / total);
    if (tenth === lastTenth) return;
    lastTenth = tenth;
    process.stderr.write(`${line}\n`);
  };
}

const running = new Set();

/** Takes `child` along when this process is told to end. */
export function endWithUs(child) {
  running.add(child);
  child.on("close", () => running.delete(child));
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
]) {
  process.once(signal, () => {
    // Who has taken over the signal (a program running in our place) ends by itself.
    if (process.listenerCount(signal) > 0) return;
    for (const child of running) child.kill(signal);
    process.exit(code);
  });
}

/**
 * Runs a command whose output nobody needs unless it fails.
 *
 * @returns exit code and the end of what it wrote, on stdout and stderr together
 */
export function runQuietly(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    endWithUs(child);
    let output = "";
    const keep = (chunk) => {
      output = (output + chunk).slice(-64_000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Ends the process with one sentence, where the reader can do something; a bug of ours keeps its stack. */
export function failSetup(error) {
  process.stderr.write(`${sentenceOf(error) ?? error?.stack ?? error}\n`);
  process.exit(1);
}

function sentenceOf(error) {
  if (error instanceof SetupProblem) return `crossband: ${error.message}`;
  // From the file system: no right, no room, read-only.
  if (error?.syscall && error.path)
    return `crossband: cannot ${error.syscall} ${error.path} (${error.code}): give this user the right to, or free some room`;
  return undefined;
}
