import { createWorker, version } from "mediasoup";
import type {
  DirectTransport,
  Router,
  RouterRtpCodecCapability,
  WebRtcServer,
  Worker,
} from "mediasoup/types";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { mediasoupVersion, workerPath } from "../../scripts/mediasoup-worker/worker-path.mjs";
import { OPUS_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE } from "./sdp/profile.ts";

/** A worker of another release hangs silently at start, so everything it must answer first has a limit. */
const START_LIMIT_MS = 5_000;
/** Another program may have a port that is ours by configuration. */
const PORT_TRIES = 8;

const mediaCodecs: RouterRtpCodecCapability[] = [
  {
    kind: "audio",
    mimeType: "audio/opus",
    preferredPayloadType: OPUS_PAYLOAD_TYPE,
    clockRate: 48_000,
    channels: 2,
    parameters: { useinbandfec: 1, minptime: 10 },
  },
  { kind: "video", mimeType: "video/VP8", preferredPayloadType: VP8_PAYLOAD_TYPE, clockRate: 90_000 },
];

/** One worker process and what lives as long as it does. */
export interface MediaWorker {
  readonly pid: number;
  readonly server: WebRtcServer;
  readonly router: Router;
  /** Where our own audio enters and the browsers' audio leaves. */
  readonly direct: DirectTransport;
  /** Runs `task` once if the process dies by itself. */
  onDied(task: (cause: Error) => void): void;
  close(): void;
}

export interface WorkerOptions {
  readonly log: Logger;
  /** Address to listen on. */
  readonly host: string;
  /** Address written into candidates. */
  readonly announced: string;
  /** Takes one UDP port. @throws CrossbandError PORTS_EXHAUSTED */
  readonly takePort: () => number;
}

/**
 * Starts a worker with its WebRTC server and router.
 *
 * @throws CrossbandError WORKER_UNAVAILABLE, PORTS_EXHAUSTED
 */
export async function startWorker(options: WorkerOptions): Promise<MediaWorker> {
  // The worker was built or fetched for the release that this checkout is pinned to.
  const pinned = mediasoupVersion();
  if (version !== pinned)
    throw new CrossbandError(ErrorCode.WorkerUnavailable, "mediasoup is not of the pinned version", {
      version,
      pinned,
    });
  const workerBin = workerPath();
  const starting = createWorker({ logLevel: "warn", workerBin });
  let worker: Worker;
  try {
    worker = await limited(starting);
  } catch (cause) {
    // Should it come up after all, nobody waits for it.
    starting.then(
      (late) => {
        late.close();
      },
      () => undefined,
    );
    throw unavailable("media worker does not start", workerBin, cause);
  }
  try {
    return await limited(furnish(worker, options));
  } catch (cause) {
    worker.close();
    if (cause instanceof CrossbandError) throw cause;
    throw unavailable("media worker does not answer", workerBin, cause);
  }
}

async function furnish(worker: Worker, options: WorkerOptions): Promise<MediaWorker> {
  const server = await listen(worker, options);
  const router = await worker.createRouter({ mediaCodecs });
  const direct = await router.createDirectTransport();
  // One listener a consumer and a producer, by design as many as there are browsers.
  for (const emitter of [router, direct]) emitter.setMaxListeners(Infinity);
  return {
    pid: worker.pid,
    server,
    router,
    direct,
    onDied: (task) => worker.once("died", task),
    close: () => {
      worker.close();
    },
  };
}

async function listen(
  worker: Worker,
  { host, announced, takePort, log }: WorkerOptions,
): Promise<WebRtcServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port = takePort();
    try {
      return await worker.createWebRtcServer({
        listenInfos: [{ protocol: "udp", ip: host, announcedAddress: announced, port }],
      });
    } catch (cause) {
      if (attempt === PORT_TRIES || worker.closed) throw cause;
      log.warn({ port, err: cause }, "webrtc port is taken");
    }
  }
}

async function limited<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error("no answer in time"));
    }, START_LIMIT_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

const unavailable = (message: string, workerBin: string, cause: unknown): CrossbandError =>
  new CrossbandError(ErrorCode.WorkerUnavailable, message, { workerBin }, { cause });
