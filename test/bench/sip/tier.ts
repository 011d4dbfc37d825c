import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { silent } from "#common/log.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import { freePort, freePortRow, freeUdpRange, WIDE } from "#test/setup/free-ports.ts";
import { workerPath } from "../../../scripts/mediasoup-worker/worker-path.mjs";

const PROGRAM = fileURLToPath(new URL("../../../crossband.ts", import.meta.url));
const EDGE_PROGRAM = fileURLToPath(
  new URL("../../../signaling/edge/testing/edge-process.ts", import.meta.url),
);
const RTP_PORTS = 20_000;

export const DOMAIN = "bench.local";
export const GROUP = "bench-group";
export const CALLER = { id: "bench", password: "bench-password" };
export const CALLEE = { id: "callee", password: "callee-password" };

/** One signaling process of the tier, as the load meets it. */
export interface Instance {
  readonly port: number;
  readonly pid: number;
}

/** Real processes of ours on loopback, and the Redis they share. */
export interface Tier {
  readonly redis: RedisConnection;
  readonly redisUrl: string;
  readonly redisPid: number;
  readonly mediaPid: number;
  readonly signaling: readonly Instance[];
  /** A bare edge whose application answers every call within the process. */
  readonly edge: Instance;
  stop(): Promise<void>;
}

/**
 * Starts Redis, one media process, `instances` signaling processes each on a port of its own, and one bare edge.
 *
 * @param environment settings for every process, laid over the bench's own
 */
export async function startTier(instances = 1, environment: NodeJS.ProcessEnv = {}): Promise<Tier> {
  const server = await startRedis();
  const redis = connect(server.url, { log: silent });
  await applyProvision(
    redis,
    parseProvision(`domain: ${DOMAIN}
agencies: [{ id: bench, name: Bench }]
users:
  - { id: ${CALLER.id}, agency: bench, name: Bench, password: ${CALLER.password} }
  - { id: ${CALLEE.id}, agency: bench, name: Callee, password: ${CALLEE.password} }
talkGroups: [{ id: ${GROUP}, agency: bench, name: Bench, mode: full-duplex }]`),
  );
  const rtp = await freeUdpRange(RTP_PORTS, WIDE);
  const common = {
    ...process.env,
    REDIS_URL: server.url,
    CROSSBAND_RTP_PORTS: `${rtp}-${rtp + RTP_PORTS - 1}`,
    CROSSBAND_LOG: "error",
    MEDIASOUP_WORKER_BIN: workerPath(),
    ...environment,
  };
  const children: ChildProcess[] = [];
  const startRole = async (role: string, env: NodeJS.ProcessEnv): Promise<number> => {
    const child = spawn(process.execPath, [PROGRAM, role], {
      env,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    children.push(child);
    await firstWord(child, "message");
    return child.pid ?? 0;
  };
  const mediaPid = await startRole("media", common);
  const signaling: Instance[] = [];
  for (let i = 0; i < instances; i++) {
    const [port, drachtioPort] = [await freePort(), await freePortRow(1)];
    const pid = await startRole("signaling", {
      ...common,
      CROSSBAND_SIP_PORT: String(port),
      CROSSBAND_DRACHTIO_PORT: String(drachtioPort),
    });
    signaling.push({ port, pid });
  }
  const edgePort = await freePort();
  const edge = spawn(process.execPath, [EDGE_PROGRAM, server.url, "bench-edge", String(edgePort)], {
    env: { ...common, QUIET: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(edge);
  await firstWord(edge, "data");
  return {
    redis,
    redisUrl: server.url,
    redisPid: server.pid,
    mediaPid,
    signaling,
    edge: { port: edgePort, pid: edge.pid ?? 0 },
    async stop() {
      redis.disconnect();
      await Promise.all(children.map(end));
      await server.stop();
    },
  };
}

/** Resolves when the process says that it is ready: by its first message, or its first line. */
function firstWord(child: ChildProcess, by: "message" | "data"): Promise<void> {
  return new Promise((done, fail) => {
    (by === "message" ? child : child.stdout)?.once(by, () => {
      done();
    });
    child.once("exit", (code) => {
      fail(new Error(`${child.spawnargs.slice(1).join(" ")} ended with ${String(code)}`));
    });
  });
}

function end(child: ChildProcess): Promise<unknown> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  const gone = new Promise((done) => child.once("exit", done));
  child.kill("SIGTERM");
  return gone;
}
