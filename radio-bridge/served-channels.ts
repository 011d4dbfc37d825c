import { isDeepStrictEqual } from "node:util";
import type { RadioChannel, TalkGroup } from "#state/directory/provision.ts";
import { getResource, listResources } from "#state/directory/directory.ts";
import { claimChannel, releaseChannel } from "#state/radio-channel/claim-channel.ts";
import { Channel, type ChannelContext } from "./channel.ts";
import type { RadioMetrics } from "./metrics.ts";

export interface ServedOptions extends Omit<ChannelContext, "count"> {
  readonly instance: string;
  readonly metrics: RadioMetrics;
}

/** A channel that could not be opened is left to others, and tried again here after this long, in ms. */
const OPEN_RETRY_MS = 5_000;

/**
 * The channels of this process: those of the directory whose lease it holds. A lease that Redis cannot renew is kept, so that
 * losing Redis ends no conversation; one that another bridge has taken meanwhile is given up at the first word of Redis.
 */
export class ServedChannels {
  readonly #options: ServedOptions;
  readonly #served = new Map<string, Channel>();
  readonly #notBefore = new Map<string, number>();
  #wanted: { channel: RadioChannel; group: TalkGroup }[] = [];

  constructor(options: ServedOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#served.size;
  }

  /** Channels by what they do now. */
  states(): ReadonlyMap<string, number> {
    const states = new Map<string, number>();
    for (const channel of this.#served.values()) {
      const { state, attached } = channel.health();
      const name = attached ? state : "detached";
      states.set(name, (states.get(name) ?? 0) + 1);
    }
    return states;
  }

  /** For `GET /channels`. */
  health() {
    return [...this.#served].map(([id, channel]) => ({ id, group: channel.group.id, ...channel.health() }));
  }

  /** Reads the directory again: what changed there is opened anew, what went is closed. */
  async reload(): Promise<void> {
    const { redis, log } = this.#options;
    const channels = await listResources(redis, "radio-channel");
    const found = await Promise.all(
      channels.map(async (channel) => ({
        channel,
        group: await getResource(redis, "talk-group", channel.talkGroup),
      })),
    );
    this.#wanted = found.flatMap(({ channel, group }) => {
      if (group) return [{ channel, group }];
      log.warn({ channel: channel.id, group: channel.talkGroup }, "radio channel names an unknown group");
      return [];
    });
    for (const [id, served] of this.#served) {
      const wanted = this.#wanted.find(({ channel }) => channel.id === id);
      if (wanted && isDeepStrictEqual(wanted, { channel: served.settings, group: served.group })) continue;
      this.#notBefore.delete(id);
      await this.#leave(id, served);
    }
  }

  /** Renews what it has and claims what is free. */
  async claim(): Promise<void> {
    await Promise.all(this.#wanted.map(({ channel, group }) => this.#claimOne(channel, group)));
  }

  /** Tells each channel which media instances are alive. */
  check(alive: ReadonlySet<string>): void {
    for (const channel of this.#served.values()) channel.check(alive);
  }

  /** Hands every channel to the other bridges. */
  async leaveAll(): Promise<void> {
    this.#wanted = [];
    await Promise.all([...this.#served].map(([id, channel]) => this.#leave(id, channel)));
  }

  async #claimOne(settings: RadioChannel, group: TalkGroup): Promise<void> {
    const { redis, instance, log } = this.#options;
    const { id } = settings;
    const served = this.#served.get(id);
    if (!served && (this.#notBefore.get(id) ?? 0) > Date.now()) return;
    const claim = await claimChannel(redis, id, instance);
    if (claim.outcome === "taken") {
      if (!served) return;
      log.warn({ channel: id, holder: claim.holder }, "radio channel was taken over by another bridge");
      this.#served.delete(id);
      await served.close();
      return;
    }
    if (served) return;
    try {
      const channel = await Channel.open(settings, group, {
        ...this.#options,
        count: this.#options.metrics.countFor(id),
      });
      this.#served.set(id, channel);
      log.info(
        { channel: id, group: group.id, listen: settings.listen, remote: settings.remote },
        "serving radio channel",
      );
    } catch (error) {
      log.error({ channel: id, error: String(error) }, "radio channel not opened");
      this.#notBefore.set(id, Date.now() + OPEN_RETRY_MS);
      await releaseChannel(redis, id, instance);
    }
  }

  async #leave(id: string, channel: Channel): Promise<void> {
    const { redis, instance, log } = this.#options;
    this.#served.delete(id);
    await channel.close();
    await releaseChannel(redis, id, instance).catch((error: unknown) => {
      log.warn({ channel: id, error: String(error) }, "radio channel lease not released");
    });
  }
}
