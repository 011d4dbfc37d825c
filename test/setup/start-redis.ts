import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-ports.ts";

export interface RedisServer {
  readonly url: string;
  readonly pid: number;
  /** Where it keeps its files. */
  readonly dir: string;
  /** kill -9. With `appendonly: "yes"` what it had answered is there after `revive`. */
  kill(): Promise<void>;
  /** Starts it again on the same port and files; resolves when it takes commands. */
  revive(): Promise<void>;
  /** It stands still, as on a machine that hangs, until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends the server and deletes its folder. Idempotent. */
  stop(): Promise<void>;
}

const START_LIMIT_MS = 15_000;
/** Another process may take the free port between asking for it and using it. */
const ATTEMPTS = 5;

/**
 * Starts a redis-server of one's own on a free loopback port, keeping nothing on disk.
 *
 * @param settings further `--name value` settings of redis-server, by name
 */
export async function startRedis(settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(await freePort(), settings);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

async function startOnce(port: number, settings: Readonly<Record<string, string>>): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), "crossband-redis-"));
  const all = { bind: "127.0.0.1", port: String(port), dir, save: "", appendonly: "no", ...settings };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
  let running = launch(args);
  let stopped: Promise<void> | undefined;
  const kill = async () => {
    running.child.kill("SIGKILL");
    await running.exited;
  };
  const stop = () =>
    (stopped ??= (async () => {
      await kill();
      await rm(dir, { recursive: true, force: true });
    })());
  try {
    await running.ready;
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return running.child.pid ?? 0;
    },
    dir,
    kill,
    async revive() {
      running = launch(args);
      await running.ready;
    },
    pause() {
      running.child.kill("SIGSTOP");
    },
    resume() {
      running.child.kill("SIGCONT");
    },
    stop,
  };
}

function launch(args: readonly string[]): {
  child: ChildProcess;
  ready: Promise<void>;
  exited: Promise<void>;
} {
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "pipe"] });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => {
      resolve();
    });
    child.once("error", () => {
      resolve();
    });
  });
  // Nothing of it is wanted any more, so a test run that is killed may take its server along at any moment.
  const killOnExit = () => child.kill("SIGKILL");
  process.once("exit", killOnExit);
  void exited.then(() => process.off("exit", killOnExit));
  let log = "";
  child.stderr.resume();
  const ready = new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => {
      reject(new Error(`redis-server was not ready within ${START_LIMIT_MS} ms\n${log}`));
    }, START_LIMIT_MS);
    child.stdout.on("data", (chunk: Buffer) => {
      if (log.length < 16_384) log += chunk.toString();
      if (!log.includes("Ready to accept connections")) return;
      clearTimeout(limit);
      resolve();
    });
    child.once("error", (cause) => {
      clearTimeout(limit);
      reject(new Error("redis-server cannot be started; is it installed?", { cause }));
    });
    child.once("exit", (code) => {
      clearTimeout(limit);
      reject(new Error(`redis-server ended with ${code ?? "a signal"}\n${log}`));
    });
  });
  return { child, ready, exited };
}
