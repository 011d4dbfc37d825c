import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { maskedConfig, type Config } from "#common/config.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { GroupSnapshot } from "#common/media-control.ts";
import { createLogger, type Logger } from "#common/log.ts";
import { applyProvision } from "#state/directory/directory.ts";
import type { Provision } from "#state/directory/provision.ts";
import { clusterSecret } from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
import { adminToken } from "#state/session/admin-token.ts";
import { groupSnapshotKey } from "#state/talk-group/talk-group.keys.ts";
import { readProvision } from "../apply.ts";
import { tell } from "../tell.ts";
import { startEmbeddedRedis, type EmbeddedRedis } from "../redis/embedded-redis.ts";
import { workerPath } from "../../scripts/mediasoup-worker/worker-path.mjs";
import { DEMO_CHANNEL, demoProvision } from "./demo.ts";
import { openHome } from "./home.ts";
import { planProcesses } from "./plan.ts";
import { writeReady, type Ready } from "./ready.ts";
import { supervise } from "./supervisor.ts";

/** `crossband up`: runs until SIGTERM or SIGINT. Resolves with the exit code. */
export async function up(config: Config): Promise<number> {
  const closeHome = openHome(config.home);
  // A person at a terminal reads what `announce` says; the log lines of all processes go to a file beside it.
  if (process.stdout.isTTY) process.env["CROSSBAND_LOG_FILE"] ??= resolve(config.home, "crossband.log");
  const log = createLogger("up", `up-${randomBytes(3).toString("hex")}`);
  const stopped = stopRequest();
  log.info({ config: maskedConfig(config) }, "starting");
  const closers: (() => Promise<void> | void)[] = [closeHome];
  try {
    const embedded = config.redisUrl === undefined ? await startEmbeddedRedis(config.home) : undefined;
    if (embedded) closers.push(() => embedded.stop());
    const redisUrl = config.redisUrl ?? embedded?.url ?? "";
    const isDemo = config.provision === undefined;
    const provision =
      config.provision === undefined ? await demoProvision(config.home) : readProvision(config.provision);
    await prepareState(redisUrl, provision, config.home, log);

    const plans = planProcesses(config, redisUrl, workerPath());
    const ready = (): Ready => describe(config, redisUrl, provision, supervisor.running());
    let announced = false;
    const supervisor = supervise(plans, log, () => {
      writeReady(config.home, ready());
      if (!announced) announce(config, provision, isDemo);
      announced = true;
    });
    closers.push(() => supervisor.stop());
    const first = await Promise.race([
      supervisor.allReady.then(() => "ready" as const),
      stopped,
      lost(embedded),
    ]);
    if (first === "ready" && isDemo) closers.push(await startDemoRadio(provision, redisUrl, log));
    if (first !== "ready") return first === "redis" ? 1 : 0;
    const reason = await Promise.race([stopped, lost(embedded)]);
    log.info({ reason }, "stopping");
    return reason === "redis" ? 1 : 0;
  } catch (error) {
    if (error instanceof CrossbandError) throw error;
    throw new CrossbandError(
      ErrorCode.SetupFailed,
      error instanceof Error ? error.message : String(error),
      {},
      { cause: error },
    );
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

function stopRequest(): Promise<"signal"> {
  return new Promise((done) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
      process.once(signal, () => {
        done("signal");
      });
    // Whoever started this process was killed.
    process.once("disconnect", () => {
      done("signal");
    });
  });
}

/** Resolves when the embedded Redis exits by itself: then everything stops, and starts again with a new one. */
const lost = (embedded: EmbeddedRedis | undefined): Promise<"redis"> =>
  embedded ? embedded.exited.then(() => "redis" as const) : new Promise(() => undefined);

async function prepareState(
  redisUrl: string,
  provision: Provision,
  home: string,
  log: Logger,
): Promise<void> {
  const redis = connect(redisUrl, { log });
  try {
    await applyProvision(redis, provision);
    writeFileSync(join(home, "admin-token"), `${adminToken(await clusterSecret(redis))}\n`, { mode: 0o600 });
  } catch (cause) {
    throw new CrossbandError(
      ErrorCode.StateUnavailable,
      "Redis does not take the provisioning; is REDIS_URL right?",
      {},
      { cause },
    );
  } finally {
    redis.disconnect();
  }
}

/** A simulated handheld, so that a newcomer hears something. Only with the demo, and only on loopback. */
async function startDemoRadio(
  provision: Provision,
  redisUrl: string,
  log: Logger,
): Promise<() => Promise<void>> {
  const channel = provision.radioChannels.find(({ id }) => id === DEMO_CHANNEL);
  if (!channel) return () => Promise.resolve();
  const { startDemoRadio: start } = await import("#radio-bridge/index.ts");
  const redis = connect(redisUrl, { log });
  const hasAudience = async () => {
    const snapshot = await redis.get(groupSnapshotKey(channel.talkGroup));
    return snapshot !== null && (JSON.parse(snapshot) as GroupSnapshot).participants.length > 1;
  };
  const radio = await start({ listen: channel.remote, remote: channel.listen, log, hasAudience });
  return async () => {
    await radio.close();
    redis.disconnect();
  };
}

function describe(
  config: Config,
  redisUrl: string,
  provision: Provision,
  processes: Ready["processes"],
): Ready {
  const sip = `${bracketed(config.host)}:${config.sip.port}`;
  const tls = `${bracketed(config.host)}:${config.sip.tlsPort}`;
  const http = `${bracketed(config.host)}:${config.http.port}`;
  return {
    region: config.region,
    domain: provision.domain,
    sip: { udp: sip, tcp: sip, tls, ws: `ws://${http}/sip` },
    http: `http://${http}`,
    redis: redisUrl,
    rtp: [config.media.ports.from, config.media.ports.to],
    drachtio: Array.from(
      { length: config.processes.signaling },
      (_, i) => `${config.drachtio.host}:${config.drachtio.port + i}`,
    ),
    users: provision.users.map(({ id, password }) => ({ id, password })),
    talkGroups: provision.talkGroups.map(({ id }) => id),
    radioChannels: provision.radioChannels.map(({ id, protocol, listen, remote }) => ({
      id,
      protocol,
      listen,
      remote,
    })),
    processes: processes.map(({ role, instance, pid }) => ({ role, instance, pid })),
  };
}

function announce(config: Config, provision: Provision, isDemo: boolean): void {
  const out = process.stdout;
  const name = (id: string) => provision.agencies.find((agency) => agency.id === id)?.name ?? id;
  tell(out, "");
  tell(out, "Crossband is ready.");
  tell(out, "");
  tell(out, `  Console    http://${bracketed(config.host)}:${config.http.port}/`);
  tell(
    out,
    `  Phones     sip:USER@${provision.domain} through ${bracketed(config.host)}:${config.sip.port} (UDP, TCP) or :${config.sip.tlsPort} (TLS)`,
  );
  tell(out, `  Groups     ${provision.talkGroups.map(({ id }) => id).join(", ")}`);
  if (isDemo) {
    tell(out, "");
    tell(out, "  User       Password           Agency");
    for (const user of provision.users)
      tell(out, `  ${user.id.padEnd(10)} ${user.password.padEnd(18)} ${name(user.agency)}`);
    tell(out, "");
    tell(out, "  Sign in as alice, join Fire Dispatch 1 and wait for Engine 5 to call; hold F8 to answer.");
  }
  const logFile = process.env["CROSSBAND_LOG_FILE"];
  if (logFile !== undefined) tell(out, `  Log        ${logFile}`);
  tell(out, "  Stop with Ctrl-C.");
  tell(out, "");
}

const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);
