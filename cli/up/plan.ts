import { join } from "node:path";
import type { Config } from "#common/config.ts";
import { cacheHome } from "../../scripts/mediasoup-worker/worker-path.mjs";
import type { ProcessPlan } from "./supervisor.ts";

/**
 * Compiled code is kept between starts: a process that finds it there does not load the TypeScript stripper, which starts
 * it sooner and saves 18 MB in each.
 */
const nodeSettings = {
  NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(cacheHome(), "compiled"),
};

/** The processes that `up` runs for a configuration, each with what differs from the others of its role. */
export function planProcesses(config: Config, redisUrl: string, workerPath: string): ProcessPlan[] {
  const common = { REDIS_URL: redisUrl, MEDIASOUP_WORKER_BIN: workerPath, ...nodeSettings };
  const { signaling, media } = config.processes;
  const { from, to } = config.media.ports;
  // RTP pairs start at an even port, so each media process gets an even share of the range.
  const share = Math.floor((to - from + 1) / media / 2) * 2;
  return [
    ...times(media, (i) => ({
      role: "media" as const,
      name: `media-${i + 1}`,
      environment: {
        ...common,
        CROSSBAND_RTP_PORTS: `${from + i * share}-${i === media - 1 ? to : from + (i + 1) * share - 1}`,
      },
    })),
    ...times(signaling, (i) => ({
      role: "signaling" as const,
      name: `signaling-${i + 1}`,
      environment: { ...common, CROSSBAND_DRACHTIO_PORT: String(config.drachtio.port + i) },
    })),
    { role: "radio-bridge", name: "radio-bridge-1", environment: common },
    { role: "api", name: "api-1", environment: common },
  ];
}

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
