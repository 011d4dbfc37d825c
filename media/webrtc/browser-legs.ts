import type { BrowserContext, BrowserLegs, LegOpening } from "#media/group/leg.ts";
import { BrowserLeg } from "./browser-leg.ts";
import { BrowserRoom } from "./browser-room.ts";
import { WorkerKeeper } from "./worker-keeper.ts";
import { startWorker } from "./worker.ts";

/** Browsers of one thread and the worker process that connects them. */
export interface RunningBrowserLegs extends BrowserLegs {
  /** Process id of the media worker, while one runs. */
  readonly workerPid: number | undefined;
}

/**
 * Starts the browsers' side of a media thread. A worker that does not start or dies is tried again by itself: until then legs
 * are refused with WORKER_UNAVAILABLE, and those that were there end with `media-failed`.
 */
export async function startBrowserLegs(context: BrowserContext): Promise<RunningBrowserLegs> {
  const { config, log } = context;
  const count = (name: string, reason?: string): void => {
    context.count(name, reason);
  };
  const legs = new Set<BrowserLeg>();
  let rooms = new Map<string, { readonly room: BrowserRoom; size: number }>();
  // A worker that follows another takes its port: those of the range are few.
  const ports: number[] = [];
  const portsInTurn = (): (() => number) => {
    let taken = 0;
    return () => (ports[taken++] ??= context.takePort());
  };
  const keeper = new WorkerKeeper({
    log,
    start: () =>
      startWorker({
        log,
        host: config.host,
        announced: config.media.advertised ?? config.host,
        takePort: portsInTurn(),
      }),
    onDied: () => {
      count("worker_deaths");
      // What the rooms shared is gone with the worker.
      rooms = new Map();
      for (const leg of [...legs]) leg.end("media-failed");
    },
  });
  await keeper.start();

  const open = (opening: LegOpening): BrowserLeg => {
    const { id, mode } = opening.group;
    const entry = rooms.get(id) ?? { room: new BrowserRoom(mode, () => keeper.worker), size: 0 };
    rooms.set(id, entry);
    entry.size += 1;
    const leg = new BrowserLeg({
      ...opening,
      room: entry.room,
      worker: () => keeper.worker,
      count,
      onClose: (closed) => {
        legs.delete(closed);
        entry.size -= 1;
        if (entry.size > 0) return;
        entry.room.close();
        if (rooms.get(id) === entry) rooms.delete(id);
      },
    });
    legs.add(leg);
    return leg;
  };

  return {
    open,
    get workerPid() {
      return keeper.pid;
    },
    close: () => {
      for (const leg of [...legs]) leg.close();
      keeper.close();
      return Promise.resolve();
    },
  };
}
