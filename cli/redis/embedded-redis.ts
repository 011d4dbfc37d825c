import { spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync, closeSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { createLogger } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";

/** A redis-server of ours, its data under the home. */
export interface EmbeddedRedis {
  readonly url: string;
  readonly pid: number;
  /** Resolves when the server has exited, wanted or not. */
  readonly exited: Promise<void>;
  /** Lets it write its file and exit. Idempotent. */
  stop(): Promise<void>;
}

const START_LIMIT_MS = 15_000;

/**
 * Starts redis-server on a free loopback port with an append-only file in `<home>/redis`.
 *
 * @throws CrossbandError SETUP_FAILED when the program is missing or does not answer in time
 */
export async function startEmbeddedRedis(home: string): Promise<EmbeddedRedis> {
  const dir = resolve(home, "redis");
  mkdirSync(dir, { recursive: true });
  await stopLeftover(join(dir, "redis.pid"));
  const port = await freePort();
  const logFile = openSync(join(dir, "redis.log"), "a");
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir,
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    pidfile: join(dir, "redis.pid"),
    daemonize: "no",
    hz: "1",
  };
  const child = spawn(
    "redis-server",
    Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]),
    {
      stdio: ["ignore", logFile, logFile],
      // Its own process group: a Ctrl-C in the terminal must not stop it before the roles have drained.
      detached: true,
    },
  );
  closeSync(logFile);
  const exited = new Promise<void>((done) =>
    child.once("exit", () => {
      done();
    }),
  );
  const missing = new Promise<never>((_done, fail) =>
    child.once("error", (cause) => {
      fail(
        new CrossbandError(
          ErrorCode.SetupFailed,
          "redis-server cannot be started; install it (apt-get install redis-server) or set REDIS_URL",
          {},
          { cause },
        ),
      );
    }),
  );
  const url = `redis://127.0.0.1:${port}`;
  await Promise.race([missing, answering(url, exited, join(dir, "redis.log"))]);
  return {
    url,
    pid: child.pid ?? 0,
    exited,
    stop() {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

async function answering(url: string, exited: Promise<void>, logFile: string): Promise<void> {
  const state = { gone: false };
  void exited.then(() => (state.gone = true));
  const redis = connect(url, { log: createLogger("redis", "probe", "silent") });
  const until = Date.now() + START_LIMIT_MS;
  try {
    for (;;) {
      const reply = await redis.ping().catch(() => undefined);
      if (reply === "PONG") return;
      if (state.gone || Date.now() > until)
        throw new CrossbandError(ErrorCode.SetupFailed, `redis-server did not start; see ${logFile}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  } finally {
    redis.disconnect();
  }
}

/** A server that outlived its supervisor still writes to our files: it must go before another opens them. */
async function stopLeftover(pidFile: string): Promise<void> {
  const pid = readPid(pidFile);
  if (pid === undefined || !isRedisServer(pid)) return;
  process.kill(pid, "SIGTERM");
  const until = Date.now() + START_LIMIT_MS;
  while (isRedisServer(pid)) {
    if (Date.now() > until)
      throw new CrossbandError(
        ErrorCode.SetupFailed,
        `redis-server ${pid} of an earlier run does not stop; stop it by hand`,
      );
    await new Promise((done) => setTimeout(done, 50));
  }
}

function readPid(file: string): number | undefined {
  try {
    return Number(readFileSync(file, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}

function isRedisServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("redis-server");
  } catch {
    return false;
  }
}

/** A TCP port that was free a moment ago, on loopback. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        done(port);
      });
    });
  });
}
