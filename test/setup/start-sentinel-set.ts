import { spawn, type ChildProcess } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePort } from "./free-ports.ts";
import { startRedis, type RedisServer } from "./start-redis.ts";

/** A master, its replica, and three sentinels that put the replica in its place when it dies. */
export interface SentinelSet {
  /** What a process is given as its REDIS_URL. */
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** From now on the replica gets nothing of what the master acknowledges. */
  cutOffReplica(): Promise<void>;
  /** Resolves with the time, in ms since the epoch, at which the sentinels name the replica and it takes writes. */
  switched(): Promise<number>;
  /** The master as it died, with all that it had answered, on another port and alone; ended by `stop`. */
  reviveAsItDied(): Promise<RedisServer>;
  /** Idempotent. */
  stop(): Promise<void>;
}

const NAME = "crossband";
const SENTINELS = 3;
const QUORUM = 2;
const DOWN_AFTER_MS = 1_000;
const FAILOVER_LIMIT_MS = 3_000;
const WAIT_LIMIT_MS = 20_000;
const POLL_MS = 20;

/** Starts the set on free loopback ports; resolves when every sentinel knows the replica and the other sentinels. */
export async function startSentinelSet(): Promise<SentinelSet> {
  const closers: (() => Promise<void>)[] = [];
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopped ??= (async () => {
      for (const close of closers.toReversed()) await close();
    })());
  try {
    const master = await startRedis({ appendonly: "yes" });
    closers.push(() => master.stop());
    const replica = await startRedis({ appendonly: "yes", replicaof: `127.0.0.1 ${portOf(master)}` });
    closers.push(() => replica.stop());
    const sentinels: Redis[] = [];
    for (let i = 0; i < SENTINELS; i++) {
      const { port, end } = await startSentinel(portOf(master));
      closers.push(end);
      const client = new Redis(port, "127.0.0.1", {
        retryStrategy: (attempt) => Math.min(attempt * POLL_MS, 200),
      });
      client.on("error", () => undefined);
      closers.push(() => closed(client));
      sentinels.push(client);
    }
    await until(async () => (await Promise.all(sentinels.map(knowsAll))).every(Boolean));
    const direct = new Redis(replica.url);
    direct.on("error", () => undefined);
    closers.push(() => closed(direct));
    await until(async () => (await direct.info("replication")).includes("master_link_status:up"));
    const hosts = sentinels.map(({ options }) => `127.0.0.1:${options.port ?? 0}`).join(",");
    return {
      url: `redis+sentinel://${hosts}/${NAME}`,
      master,
      replica,
      async cutOffReplica() {
        const link = new Redis(master.url);
        try {
          // Whoever is connected stays; the replica is not let in again.
          await link.config("SET", "requirepass", "not for the replica");
          await link.call("CLIENT", "KILL", "TYPE", "replica");
        } finally {
          link.disconnect();
        }
      },
      async switched() {
        await until(async () => {
          const named = await Promise.all(
            sentinels.map((one) => one.call("SENTINEL", "get-master-addr-by-name", NAME)),
          );
          const isReplica = named.every(
            (address) => Array.isArray(address) && address[1] === portOf(replica),
          );
          return isReplica && (await direct.info("replication")).includes("role:master");
        });
        return Date.now();
      },
      async reviveAsItDied() {
        const dir = await mkdtemp(join(tmpdir(), "crossband-redis-"));
        await cp(master.dir, dir, { recursive: true });
        const revived = await startRedis({ appendonly: "yes", dir });
        closers.push(async () => {
          await revived.stop();
          await rm(dir, { recursive: true, force: true });
        });
        return revived;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function closed(client: Redis): Promise<void> {
  client.disconnect();
  return Promise.resolve();
}

const portOf = ({ url }: RedisServer): string => new URL(url).port;

async function startSentinel(master: string): Promise<{ port: number; end: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "crossband-sentinel-"));
  const [port, file] = [await freePort(), join(dir, "sentinel.conf")];
  // A sentinel keeps what it learns in its own configuration file.
  await writeFile(
    file,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${dir}`,
      `sentinel monitor ${NAME} 127.0.0.1 ${master} ${QUORUM}`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${NAME} ${FAILOVER_LIMIT_MS}`,
      "",
    ].join("\n"),
  );
  const child = spawn("redis-server", [file, "--sentinel"], { stdio: "ignore" });
  const killOnExit = () => child.kill("SIGKILL");
  process.once("exit", killOnExit);
  const end = async (): Promise<void> => {
    process.off("exit", killOnExit);
    await ended(child);
    await rm(dir, { recursive: true, force: true });
  };
  return { port, end };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once("exit", done));
  child.kill("SIGKILL");
  await gone;
}

/** Whether a sentinel has found the replica and its peers, without which it would not switch. */
async function knowsAll(sentinel: Redis): Promise<boolean> {
  const [replicas, peers] = await Promise.all([
    sentinel.call("SENTINEL", "replicas", NAME),
    sentinel.call("SENTINEL", "sentinels", NAME),
  ]);
  return (
    Array.isArray(replicas) && replicas.length === 1 && Array.isArray(peers) && peers.length === SENTINELS - 1
  );
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_LIMIT_MS;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new Error("the sentinels did not come to it in time");
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
