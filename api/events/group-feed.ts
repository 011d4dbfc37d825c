import { z } from "zod";
import type { Logger } from "#common/log.ts";
import type { GroupEvent, GroupSnapshot, Participant } from "#common/media-control.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { groupChannel } from "#state/talk-group/talk-group.keys.ts";
import type { GroupFloor } from "../floor/group-floor.ts";

export type FeedItem =
  | { readonly type: "snapshot"; readonly snapshot: GroupSnapshot }
  | { readonly type: "event"; readonly event: GroupEvent };

export type FeedListener = (item: FeedItem) => void;

/** The events of groups, one Redis subscription for all consoles of this process. */
export interface GroupFeed {
  /** Starts with a snapshot, then every event. The returned function ends it and may be called twice. */
  subscribe(group: string, listener: FeedListener): Promise<() => void>;
  /** Whose leg it is, as far as this process has heard; asks the media process when it has not. */
  ownerOf(group: string, leg: string): Promise<string | undefined>;
  /** The owner if it is known without asking. */
  knownOwnerOf(group: string, leg: string): string | undefined;
  close(): void;
}

interface Followed {
  readonly group: string;
  readonly listeners: Set<FeedListener>;
  participants: readonly Participant[];
  /** The newest video event of each leg: it may come before the participant list that says whose leg it is. */
  readonly video: Map<string, Extract<GroupEvent, { type: "video" }>>;
  /** Settles when Redis has confirmed the subscription. */
  confirmed: Promise<unknown>;
}

/** Enough to tell that a message is an event of ours; media processes are trusted with the rest. */
const eventSchema = z.looseObject({ type: z.string(), group: z.string() });
/** Legs whose video line-up is remembered before their participant list came. */
const VIDEO_MEMORY = 256;

/** @param subscriber a connection of its own; closed by `close()` */
export function openGroupFeed(subscriber: RedisConnection, floor: GroupFloor, log: Logger): GroupFeed {
  const followed = new Map<string, Followed>();
  let dropped = false;

  const emit = (entry: Followed, item: FeedItem): void => {
    for (const listener of [...entry.listeners]) listener(item);
  };

  const learn = (entry: Followed, participants: readonly Participant[]): void => {
    const before = new Set(entry.participants.map(({ leg }) => leg));
    const now = new Set(participants.map(({ leg }) => leg));
    entry.participants = participants;
    for (const [leg, event] of entry.video)
      if (now.has(leg) && !before.has(leg)) emit(entry, { type: "event", event });
      else if (before.has(leg) && !now.has(leg)) entry.video.delete(leg);
  };

  subscriber.on("message", (channel: string, text: string) => {
    const event = parseEvent(text);
    if (event === undefined) {
      log.warn({ channel }, "group event dropped: not an event");
      return;
    }
    const entry = followed.get(event.group);
    if (!entry) return;
    emit(entry, { type: "event", event });
    if (event.type === "participants") learn(entry, event.participants);
    if (event.type === "video") {
      entry.video.set(event.leg, event);
      const oldest = entry.video.keys().next();
      if (entry.video.size > VIDEO_MEMORY && !oldest.done) entry.video.delete(oldest.value);
    }
  });
  subscriber.on("close", () => {
    dropped = true;
  });
  subscriber.on("ready", () => {
    if (!dropped) return;
    dropped = false;
    // What was published while the connection was away is lost: tell everybody the state as of now.
    for (const entry of followed.values()) void refresh(entry);
  });

  const refresh = async (entry: Followed): Promise<void> => {
    try {
      const snapshot = await floor.snapshot(entry.group);
      learn(entry, snapshot.participants);
      emit(entry, { type: "snapshot", snapshot });
    } catch (error) {
      log.warn({ group: entry.group, error: String(error) }, "group snapshot failed");
    }
  };

  const follow = (group: string): Followed => {
    const known = followed.get(group);
    if (known) return known;
    const confirmed = subscriber.subscribe(groupChannel(group));
    const entry: Followed = { group, listeners: new Set(), participants: [], video: new Map(), confirmed };
    followed.set(group, entry);
    return entry;
  };

  const unfollow = (entry: Followed): void => {
    if (entry.listeners.size > 0 || followed.get(entry.group) !== entry) return;
    followed.delete(entry.group);
    subscriber.unsubscribe(groupChannel(entry.group)).catch(() => undefined);
  };

  const knownOwnerOf = (group: string, leg: string): string | undefined =>
    followed.get(group)?.participants.find((participant) => participant.leg === leg)?.id;

  return {
    async subscribe(group, listener) {
      const entry = follow(group);
      entry.listeners.add(listener);
      const stop = (): void => {
        if (entry.listeners.delete(listener)) unfollow(entry);
      };
      try {
        // Subscribed first, so that nothing falls between the snapshot and the events.
        await entry.confirmed;
        const snapshot = await floor.snapshot(group);
        learn(entry, snapshot.participants);
        if (entry.listeners.has(listener)) {
          listener({ type: "snapshot", snapshot });
          for (const event of entry.video.values()) listener({ type: "event", event });
        }
        return stop;
      } catch (error) {
        stop();
        throw error;
      }
    },
    async ownerOf(group, leg) {
      const known = knownOwnerOf(group, leg);
      if (known !== undefined) return known;
      const snapshot = await floor.snapshot(group);
      const entry = followed.get(group);
      if (entry) learn(entry, snapshot.participants);
      return snapshot.participants.find((participant) => participant.leg === leg)?.id;
    },
    knownOwnerOf,
    close() {
      followed.clear();
      subscriber.disconnect();
    },
  };
}

function parseEvent(text: string): GroupEvent | undefined {
  try {
    const result = eventSchema.safeParse(JSON.parse(text));
    return result.success ? (result.data as unknown as GroupEvent) : undefined;
  } catch {
    return undefined;
  }
}
