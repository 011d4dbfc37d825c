import type { Cluster, Redis, RedisOptions } from "ioredis";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { LastingRedis } from "./lasting-redis.ts";
import { PatientCluster } from "./patient-cluster.ts";

/** One Redis, a Cluster or a Sentinel set behind one type. Commands time out rather than block. */
export type RedisConnection = Redis | Cluster;

/** The time a command may take before it fails, in ms: callers answer 503 rather than wait. */
const COMMAND_TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 5_000;

export interface ConnectOptions {
  readonly log: Logger;
  /** True for a connection that waits in XREAD BLOCK or subscribes: no command deadline. */
  readonly blocking?: boolean;
}

/**
 * Opens a connection.
 *
 * - `redis://[user:password@]host:port[/db]`, `rediss://…` one server
 * - `redis+cluster://host:port,host:port` a cluster
 * - `redis+sentinel://host:port,host:port/master-name` the master that the sentinels name
 *
 * @throws CrossbandError CONFIG_INVALID when the URL is none of these
 */
export function connect(url: string, { log, blocking = false }: ConnectOptions): RedisConnection {
  const connection = open(url, {
    enableAutoPipelining: false,
    ...nameOf(log),
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: blocking ? null : 1,
    ...(blocking ? {} : { commandTimeout: COMMAND_TIMEOUT_MS }),
  });
  connection.on("error", (error: Error) => {
    log.warn({ error: error.message }, "redis connection error");
  });
  return connection;
}

/** Wait before connection attempt number `attempt`, in ms. */
const retryStrategy = (attempt: number): number => Math.min(50 * attempt, 1_000);

/** 2: connect again, to the master that the sentinels name now, and send the command there. */
const wasDemoted = ({ message }: Error): 2 | false => (message.startsWith("READONLY") ? 2 : false);

/** `CLIENT LIST` then says which process a connection belongs to. */
function nameOf(log: Logger): { connectionName?: string } {
  const { instance } = log.bindings();
  return typeof instance === "string" ? { connectionName: instance } : {};
}

type CommonOptions = Pick<
  RedisOptions,
  "connectionName" | "enableAutoPipelining" | "connectTimeout" | "maxRetriesPerRequest" | "commandTimeout"
>;

function open(url: string, common: CommonOptions): RedisConnection {
  let parsed: URL;
  try {
    // Node's URL takes one authority: the other hosts of a list go behind a placeholder.
    parsed = new URL(url.replace(/^([a-z+]+:\/\/[^/]*?),[^/]*/, "$1"));
  } catch (cause) {
    throw new CrossbandError(ErrorCode.ConfigInvalid, "REDIS_URL is not a URL", {}, { cause });
  }
  const password = decodeURIComponent(parsed.password);
  const username = decodeURIComponent(parsed.username);
  const credentials = { ...(password && { password }), ...(username && { username }) };
  switch (parsed.protocol) {
    case "redis:":
    case "rediss:":
      return new LastingRedis({ ...common, retryStrategy }, url);
    case "redis+cluster:":
      return new PatientCluster(hostsOf(url), { ...common, ...credentials });
    case "redis+sentinel:":
      return new LastingRedis({
        ...common,
        retryStrategy,
        ...credentials,
        sentinels: hostsOf(url),
        name: parsed.pathname.slice(1) || "mymaster",
        // A master whose machine is gone closes nothing: readers and subscribers would wait for it for ever.
        failoverDetector: true,
        sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
        reconnectOnError: wasDemoted,
      });
    default:
      throw new CrossbandError(
        ErrorCode.ConfigInvalid,
        "REDIS_URL must start with redis:, rediss:, redis+cluster: or redis+sentinel:",
        {
          protocol: parsed.protocol,
        },
      );
  }
}

function hostsOf(url: string): { host: string; port: number }[] {
  const authority = /^[a-z+]+:\/\/(?:[^@/]*@)?([^/]+)/.exec(url)?.[1] ?? "";
  return authority.split(",").map((entry) => {
    const at = entry.lastIndexOf(":");
    return { host: entry.slice(0, at), port: Number(entry.slice(at + 1)) };
  });
}
