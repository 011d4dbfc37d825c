import type { ConsoleFloorAnswer } from "#common/console-events.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { FloorAnswer, FloorRequest, GroupSnapshot } from "#common/media-control.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { Rpc } from "#state/rpc/rpc.ts";
import { findPlacement } from "#state/talk-group/place-group.ts";
import { groupSnapshotKey } from "#state/talk-group/talk-group.keys.ts";

/** Asks the media process that carries a group. */
export interface GroupFloor {
  /** Who is in the group and who talks. An idle, empty one for a group that nobody is in. */
  snapshot(group: string): Promise<GroupSnapshot>;
  ask(request: FloorRequest): Promise<ConsoleFloorAnswer>;
}

/** A press is answered within this time or refused, in ms: longer, and the operator has given up. */
const FLOOR_DEADLINE_MS = 700;
const SNAPSHOT_DEADLINE_MS = 700;
/** A second try reaches the media process that took the group over. */
const TRIES = 2;

export function createGroupFloor(redis: RedisConnection, rpc: Rpc): GroupFloor {
  const ask = async (group: string, call: (instance: string) => Promise<unknown>): Promise<unknown> => {
    for (let attempt = 1; ; attempt++) {
      const placement = await findPlacement(redis, group);
      if (!placement) return undefined;
      try {
        return await call(placement.instance);
      } catch (error) {
        if (!isTimeout(error) || attempt >= TRIES) throw error;
      }
    }
  };

  return {
    async snapshot(group) {
      const path = `/groups/${encodeURIComponent(group)}`;
      const live = await ask(group, (instance) =>
        rpc.call(instance, { method: "GET", path, body: null }, SNAPSHOT_DEADLINE_MS),
      ).catch(() => undefined);
      if (live) return live as GroupSnapshot;
      const mirror = await redis.get(groupSnapshotKey(group));
      if (mirror !== null) return JSON.parse(mirror) as GroupSnapshot;
      return { group, floor: { state: "idle", seq: 0 }, participants: [], talking: [] };
    },

    async ask(request) {
      try {
        const answer = await ask(request.group, (instance) =>
          rpc.call(instance, { method: "POST", path: "/floor", body: request }, FLOOR_DEADLINE_MS),
        );
        return (answer as FloorAnswer | undefined) ?? { outcome: "failed", cause: "no-media" };
      } catch (error) {
        if (error instanceof CrossbandError) return { outcome: "failed", cause: "no-media" };
        throw error;
      }
    },
  };
}

const isTimeout = (error: unknown): boolean =>
  error instanceof CrossbandError && error.code === ErrorCode.RpcTimeout;
