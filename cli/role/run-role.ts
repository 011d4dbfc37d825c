import { randomBytes } from "node:crypto";
import { flushCompileCache } from "node:module";
import { everyBeat } from "#common/beat.ts";
import { maskedConfig, type Config } from "#common/config.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { createLogger, type Logger } from "#common/log.ts";
import {
  announceInstance,
  clusterSecret,
  INSTANCE_LEASE,
  withdrawInstance,
  type InstanceCard,
  type Role,
} from "#state/instance/instance.ts";
import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { startEmbeddedRedis } from "../redis/embedded-redis.ts";
import { serveMetrics } from "./serve-metrics.ts";

/** Sent to the supervisor over IPC once the role takes traffic. */
export interface RoleReady {
  readonly type: "ready";
  readonly instance: string;
  readonly listeners: Readonly<Record<string, string>>;
}

/** The card goes along with every fifth renewal of the lease: its load changes slowly. */
const CARD_EVERY = 5;
/** Longest time from the request to stop to the end of the process, in ms. */
const LEAVE_LIMIT_MS = 11_500;
const EXIT_HUNG = 70;
/** Longest wait for a role to hand over its work, in ms. */
const DRAIN_LIMIT_MS = 8_000;

/** Loaded on demand: a signaling process never loads mediasoup, a media process no web server. */
const starters: Readonly<Record<Role, () => Promise<(context: RoleContext) => Promise<RoleHandle>>>> = {
  signaling: async () => (await import("#signaling/index.ts")).startSignaling,
  edge: async () => (await import("#signaling/edge/index.ts")).startEdge,
  media: async () => (await import("#media/index.ts")).startMedia,
  "radio-bridge": async () => (await import("#radio-bridge/index.ts")).startRadioBridge,
  api: async () => (await import("#api/index.ts")).startApi,
};

/** Runs one role until SIGTERM or SIGINT, then drains it. Resolves with the exit code. */
export async function runRole(role: Role, config: Config): Promise<number> {
  const instance = `${config.instance ?? role}-${randomBytes(3).toString("hex")}`;
  const log = createLogger(role, instance);
  process.on("uncaughtException", (error) => {
    // State is in Redis: a process in an unknown condition must die, and another goes on.
    log.fatal({ error: error.stack }, "uncaught exception");
    process.exit(70);
  });
  log.info({ config: maskedConfig(config), pid: process.pid }, "starting");
  const stopped = stopRequest();
  const embedded =
    role === "edge" && config.redisUrl === undefined ? await startEmbeddedRedis(config.home) : undefined;
  const url = config.redisUrl ?? embedded?.url;
  if (url === undefined)
    throw new CrossbandError(
      ErrorCode.ConfigInvalid,
      `set REDIS_URL: ${role} finds the other processes through Redis`,
    );

  const redis = connect(url, { log });
  const context: RoleContext = {
    config,
    log,
    instance,
    redis,
    secret: await secretOf(redis, log),
    openBlocking: () => connect(url, { log, blocking: true }),
  };
  const start = await starters[role]();
  // Now, not at its end: one that is killed leaves its compiled code to the one that is started in its place.
  flushCompileCache();
  const handle = await start(context);
  const metrics = await serveMetrics(config.host, handle);
  let draining = false;
  const card = (): InstanceCard => {
    const { listeners, load } = handle.card();
    return {
      role,
      instance,
      pid: process.pid,
      listeners: { ...listeners, metrics: metrics.address },
      load,
      draining,
    };
  };
  let renewals = 0;
  const announce = () =>
    announceInstance(redis, card(), renewals++ % CARD_EVERY === 0).catch((error: unknown) => {
      log.warn({ error: String(error) }, "lease not renewed");
    });
  await announce();
  const stopRenewal = everyBeat(INSTANCE_LEASE[role].renewMs, () => void announce());
  const ready: RoleReady = { type: "ready", instance, listeners: card().listeners };
  process.send?.(ready);
  log.info({ listeners: ready.listeners }, "ready");

  const reason = await stopped;
  // Whatever hangs on the way out must not keep a process that nobody supervises any more.
  setTimeout(() => process.exit(EXIT_HUNG), LEAVE_LIMIT_MS);
  log.info({ reason }, "draining");
  draining = true;
  renewals = 0;
  await announce();
  await withLimit(handle.drain(), DRAIN_LIMIT_MS, log, "drain");
  stopRenewal();
  await withLimit(handle.close(), 2_000, log, "close");
  await withdrawInstance(redis, card()).catch(() => undefined);
  metrics.close();
  redis.disconnect();
  await embedded?.stop();
  log.info("stopped");
  if (process.connected) process.disconnect?.();
  return 0;
}

/** Resolves on SIGTERM, SIGINT, or when the supervisor that started this process is gone. */
function stopRequest(): Promise<string> {
  return new Promise((done) => {
    process.once("SIGTERM", () => {
      done("SIGTERM");
    });
    process.once("SIGINT", () => {
      done("SIGINT");
    });
    process.once("disconnect", () => {
      done("supervisor gone");
    });
  });
}

async function secretOf(redis: RedisConnection, log: Logger): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await clusterSecret(redis);
    } catch (cause) {
      if (attempt === 30)
        throw new CrossbandError(ErrorCode.StateUnavailable, "Redis does not answer", {}, { cause });
      log.warn({ attempt }, "waiting for redis");
      await new Promise((done) => setTimeout(done, 500));
    }
  }
}

async function withLimit(work: Promise<void>, ms: number, log: Logger, what: string): Promise<void> {
  const limit = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => {
    log.warn({ what, ms }, "gave up waiting");
    limit.resolve(undefined);
  }, ms);
  await Promise.race([
    work.catch((error: unknown) => {
      log.error({ what, error: String(error) }, "failed while stopping");
    }),
    limit.promise,
  ]);
  clearTimeout(timer);
}
