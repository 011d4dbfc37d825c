import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { access, constants } from "node:fs/promises";
import { createServer } from "node:net";
import { promisify } from "node:util";
import type { Config } from "#common/config.ts";
import { createLogger } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import { workerPath } from "../scripts/mediasoup-worker/worker-path.mjs";
import { tell } from "./tell.ts";
import { readReady } from "./up/ready.ts";

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do about it. */
  readonly cure?: string;
}

const run = promisify(execFile);

/** `crossband doctor`: prints one line a check, resolves with 0 when all hold. */
export async function doctor(config: Config): Promise<number> {
  const running = readReady(config.home);
  const findings: readonly Finding[] = await Promise.all([
    node(),
    redis(config),
    mediaWorker(),
    ...(running
      ? [
          Promise.resolve({
            what: "processes",
            ok: true,
            detail: `${running.processes.length} run in ${config.home}`,
          }),
        ]
      : [
          udpPort("SIP port", config.host, config.sip.port),
          tcpPort("HTTP port", config.host, config.http.port),
          udpPort("first RTP port", config.host, config.media.ports.from),
        ]),
  ]);
  for (const { what, ok, detail, cure } of findings) {
    tell(process.stdout, `${ok ? "ok  " : "FAIL"}  ${what.padEnd(16)} ${detail}`);
    if (!ok && cure !== undefined) tell(process.stdout, `      ${"".padEnd(16)} → ${cure}`);
  }
  return findings.every(({ ok }) => ok) ? 0 : 1;
}

function node(): Promise<Finding> {
  const major = Number(process.versions.node.split(".")[0]);
  return Promise.resolve({
    what: "node",
    ok: major >= 26,
    detail: process.version,
    cure: "start through npm (npm start), which brings its own Node 26",
  });
}

async function redis(config: Config): Promise<Finding> {
  if (config.redisUrl === undefined) {
    const version = await run("redis-server", ["--version"]).then(
      ({ stdout }) => /v=(\S+)/.exec(stdout)?.[1],
      () => undefined,
    );
    return {
      what: "redis-server",
      ok: version !== undefined,
      detail: version ?? "not installed",
      cure: "apt-get install redis-server, or set REDIS_URL",
    };
  }
  const connection = connect(config.redisUrl, { log: createLogger("doctor", "doctor", "silent") });
  const reply = await connection.ping().catch((error: unknown) => String(error));
  connection.disconnect();
  return {
    what: "redis",
    ok: reply === "PONG",
    detail: reply === "PONG" ? "answers" : reply,
    cure: "check REDIS_URL, and that the server runs",
  };
}

async function mediaWorker(): Promise<Finding> {
  const path = workerPath();
  const ok = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  return { what: "media worker", ok, detail: ok ? path : "not built", cure: "npm start builds it" };
}

function udpPort(what: string, host: string, port: number): Promise<Finding> {
  return new Promise((done) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.once("error", (error) => {
      done({
        what,
        ok: false,
        detail: `UDP ${host}:${port}: ${error.message}`,
        cure: "stop what uses it, or choose another port",
      });
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.close(() => {
        done({ what, ok: true, detail: `UDP ${host}:${port} is free` });
      });
    });
  });
}

function tcpPort(what: string, host: string, port: number): Promise<Finding> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", (error) => {
      done({
        what,
        ok: false,
        detail: `TCP ${host}:${port}: ${error.message}`,
        cure: "stop what uses it, or choose another port",
      });
    });
    server.listen(port, host, () => {
      server.close(() => {
        done({ what, ok: true, detail: `TCP ${host}:${port} is free` });
      });
    });
  });
}
