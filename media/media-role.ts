import { availableParallelism } from "node:os";
import { AggregatorRegistry } from "prom-client";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { GroupEvent, GroupSnapshot } from "#common/media-control.ts";
import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { startRpc } from "#state/rpc/rpc.ts";
import { openChangeNotes } from "#state/subscription/change-notes.ts";
import { renewPlacements } from "#state/talk-group/place-group.ts";
import { groupChannel, groupSnapshotKey, legEndedChannel } from "#state/talk-group/talk-group.keys.ts";
import { readMediaRequest, type MediaRequest } from "./thread/media-request.ts";
import type { ThreadNews } from "./thread/thread-handle.ts";
import { ThreadPool } from "./thread/thread-pool.ts";

/** A group's mirror in Redis outlives its last change by this, in ms. */
const SNAPSHOT_TTL_MS = 3_600_000;
/** How often the placements of groups in use are renewed, in ms; they last three times as long. */
const RENEW_MS = 300_000;
/** A drain that takes longer is given up, in ms. */
const DRAIN_LIMIT_MS = 7_000;
const DRAIN_LOOK_MS = 200;

/** Starts the media role: its threads, and the requests of common/media-control.ts. */
export async function startMedia(context: RoleContext): Promise<RoleHandle> {
  const { config, log, redis, instance } = context;
  const publisher = createPublisher(context);
  const pool = new ThreadPool({
    config,
    log,
    instance,
    count: config.media.threads ?? Math.max(1, Math.min(availableParallelism() - 1, 4)),
    news: (news) => {
      publisher.take(news);
    },
  });
  await pool.ready();

  let draining = false;
  const answer = async (request: MediaRequest): Promise<unknown> => {
    if (draining && request.do === "put-leg" && !pool.knows(request.leg))
      throw new CrossbandError(ErrorCode.WorkerUnavailable, "this media process takes no new legs");
    return pool.run(request);
  };
  const rpc = startRpc(
    redis,
    context.openBlocking(),
    instance,
    async (request) => answer(readMediaRequest(request)),
    log,
  );
  const renewal = setInterval(() => {
    renewPlacements(redis, pool.groups()).catch((error: unknown) => {
      log.warn({ error: String(error) }, "placements not renewed");
    });
  }, RENEW_MS);

  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    clearInterval(renewal);
    await rpc.close();
    await pool.close();
    await publisher.settled();
  };
  return {
    role: "media",
    card: () => ({ listeners: {}, load: pool.load() }),
    async metrics() {
      return AggregatorRegistry.aggregate(await pool.metrics()).metrics();
    },
    async drain() {
      draining = true;
      const until = Date.now() + DRAIN_LIMIT_MS;
      while (pool.size() > 0 && Date.now() < until)
        await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    },
    close: () => (closed ??= close()),
  };
}

/** Mirrors and publishes what threads tell, group by group in order, and never makes audio wait for it. */
function createPublisher({ redis, log }: RoleContext): {
  take(news: ThreadNews): void;
  settled(): Promise<void>;
} {
  const notes = openChangeNotes(redis, log);
  /** The latest snapshot of a group that is not written yet: only that one matters. */
  const snapshots = new Map<string, GroupSnapshot>();
  const pending = new Set<Promise<unknown>>();
  const send = (work: Promise<unknown>): void => {
    const done = work.catch((error: unknown) => {
      log.warn({ error: String(error) }, "group news not written");
    });
    pending.add(done);
    void done.finally(() => pending.delete(done));
  };
  const publish = (event: GroupEvent): Promise<unknown> => {
    const text = JSON.stringify(event);
    if (event.type === "leg-ended") send(redis.publish(legEndedChannel, text));
    return redis.publish(groupChannel(event.group), text);
  };
  /** Those who subscribed by SIP are told of what can be read then. */
  const write = async (snapshot: GroupSnapshot): Promise<void> => {
    await redis.set(groupSnapshotKey(snapshot.group), JSON.stringify(snapshot), "PX", SNAPSHOT_TTL_MS);
    notes.note(`conference:${snapshot.group}`);
  };
  const mirror = (snapshot: GroupSnapshot): void => {
    const waits = snapshots.has(snapshot.group);
    snapshots.set(snapshot.group, snapshot);
    if (waits) return;
    setImmediate(() => {
      const latest = snapshots.get(snapshot.group);
      snapshots.delete(snapshot.group);
      if (latest) send(write(latest));
    });
  };
  return {
    take(news) {
      if (news.kind === "event") send(publish(news.event));
      if (news.kind === "changed") mirror(news.snapshot);
    },
    async settled() {
      notes.close();
      await Promise.all(pending);
    },
  };
}
