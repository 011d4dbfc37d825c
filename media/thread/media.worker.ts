import { parentPort, workerData } from "node:worker_threads";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { createLogger } from "#common/log.ts";
import { audioClock } from "#media/group/beat.ts";
import { PortPool } from "#media/rtp/port-pool.ts";
import { startBrowserLegs } from "#media/webrtc/browser-legs.ts";
import { MediaThread } from "./media-thread.ts";
import type { ThreadData, ThreadMessage, ThreadRequest } from "./messages.ts";

const { config, instance, index, ports: range } = workerData as ThreadData;
if (!parentPort)
  throw new CrossbandError(ErrorCode.WorkerUnavailable, "media.worker.ts runs as a worker thread");
const parent = parentPort;
const log = createLogger("media", instance).child({ thread: index });
const ports = new PortPool(range.from, range.to, Math.random());
const tell = (message: ThreadMessage): void => {
  parent.postMessage(message);
};

const thread = new MediaThread({
  rtp: {
    host: config.host,
    advertised: config.media.advertised ?? config.host,
    ports,
    silentLegMs: config.media.silentLegSeconds * 1_000,
  },
  browsers: (count) => startBrowserLegs({ config, log, count, takePort: () => ports.take(Date.now()) }),
  clock: audioClock,
  log,
  tell,
});

parent.on("message", ({ id, command }: ThreadRequest) => {
  thread.run(command).then(
    (value) => {
      tell({ kind: "answer", id, value });
      // Closing the port lets the thread end by itself.
      if (command.do === "close") parent.close();
    },
    (error: unknown) => {
      const known = error instanceof CrossbandError;
      if (!known)
        log.error(
          { error: error instanceof Error ? error.stack : String(error), command: command.do },
          "media command failed",
        );
      tell({
        kind: "failure",
        id,
        code: known ? error.code : ErrorCode.WorkerUnavailable,
        message: known ? error.message : "the media thread failed",
        context: known ? { ...error.context } : {},
      });
    },
  );
});

await thread.ready();
tell({ kind: "ready" });
