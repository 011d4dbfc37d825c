import { everyBeat } from "#common/beat.ts";
import { networkInterfaces } from "node:os";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { directoryChannel } from "#state/directory/directory.keys.ts";
import { knownInstances } from "#state/instance/instance.ts";
import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { CHANNEL_RENEW_MS } from "#state/radio-channel/claim-channel.ts";
import { startRpc } from "#state/rpc/rpc.ts";
import { RadioMetrics } from "./metrics.ts";
import { ServedChannels } from "./served-channels.ts";

/** A process that serves this many channels says that it is full. */
const FULL_LOAD_CHANNELS = 200;
/** A directory change that no one announced is seen after this long, in ms. */
const RELOAD_MS = 30_000;
const CHECK_MS = 1_000;

/** Starts the radio-bridge role: it serves the radio channels of the directory that no other bridge serves. */
export async function startRadioBridge(context: RoleContext): Promise<RoleHandle> {
  const { redis, log, instance, config } = context;
  const metrics: RadioMetrics = new RadioMetrics(() => served.states());
  const rpc = startRpc(
    redis,
    context.openBlocking(),
    instance,
    ({ method, path }) => {
      if (method === "GET" && path === "/channels") return Promise.resolve(served.health());
      return Promise.reject(new CrossbandError(ErrorCode.RpcRefused, "no such resource", { method, path }));
    },
    log,
  );
  const host = rtpHostOf(config.host, config.media.advertised);
  const served: ServedChannels = new ServedChannels({ redis, rpc, log, instance, host, metrics });

  const changes = context.openBlocking();
  let stopped = false;
  const reload = exclusive(
    async () => {
      if (stopped) return;
      await served.reload();
      await served.claim();
    },
    log,
    "radio channels not read",
  );
  changes.on("message", (_channel: string, changed: string) => {
    if (/^(radio-channel|talk-group):/.test(changed)) reload();
  });
  // Without a subscription changes are seen by the regular reload.
  changes.subscribe(directoryChannel).catch(() => undefined);
  const claim = exclusive(
    async () => {
      if (!stopped) await served.claim();
    },
    log,
    "radio channel leases not renewed",
  );
  const check = exclusive(
    async () => {
      if (stopped || served.size === 0) return;
      const media = (await knownInstances(redis)).filter(({ role }) => role === "media");
      served.check(new Set(media.map((card) => card.instance)));
    },
    log,
    "media instances not read",
  );
  const beats = [
    everyBeat(CHANNEL_RENEW_MS, claim),
    everyBeat(CHECK_MS, check),
    everyBeat(RELOAD_MS, reload),
  ];
  reload();
  await reload.settled();

  let left: Promise<void> | undefined;
  const leave = async () => {
    stopped = true;
    for (const stop of beats) stop();
    changes.disconnect();
    await Promise.all([claim.settled(), reload.settled()]);
    await served.leaveAll();
  };
  const drain = () => (left ??= leave());
  return {
    role: "radio-bridge",
    card: () => ({ listeners: {}, load: Math.min(1, served.size / FULL_LOAD_CHANNELS) }),
    metrics: () => metrics.text(),
    drain,
    async close() {
      await drain();
      await rpc.close();
    },
  };
}

/** Runs a task when called, never twice at a time: a call meanwhile runs it once more after. Failures are logged. */
function exclusive(
  task: () => Promise<void>,
  log: Logger,
  failure: string,
): (() => void) & { settled(): Promise<void> } {
  let running: Promise<void> | undefined;
  let again = false;
  const run = async (): Promise<void> => {
    do {
      again = false;
      await task().catch((error: unknown) => {
        log.warn({ error: String(error) }, failure);
      });
    } while (again as boolean);
    running = undefined;
  };
  const call = () => {
    if (running) again = true;
    else running = run();
  };
  return Object.assign(call, {
    settled: async () => {
      await running;
    },
  });
}

/** The address that media sends a radio's audio to: the media tier compares it with where ours comes from. */
function rtpHostOf(host: string, advertised: string | undefined): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal);
  return advertised ?? outside?.address ?? "127.0.0.1";
}
