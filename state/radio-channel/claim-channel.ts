import type { RedisConnection } from "#state/redis/connection.ts";
import { defineScript } from "#state/redis/script.ts";
import { channelLeaseKey, channelRevisionKey } from "./radio-channel.keys.ts";

export type ChannelClaim =
  | { readonly outcome: "claimed" }
  | { readonly outcome: "renewed" }
  | { readonly outcome: "taken"; readonly holder: string };

/** How long a silent bridge keeps a channel, in ms: another serves it within 2 s of its death. */
export const CHANNEL_LEASE_MS = 1_300;
/** How often a bridge renews what it has and asks for what it has not, in ms. */
export const CHANNEL_RENEW_MS = 500;

const claimScript = defineScript({
  source: new URL("./claim-channel.lua", import.meta.url),
  keys: ["lease"],
  args: ["instance", "leaseMs"],
  reply(raw): ChannelClaim {
    const [outcome, holder = ""] = raw as [string, string?];
    switch (outcome) {
      case "claimed":
      case "renewed":
        return { outcome };
      case "taken":
        return { outcome, holder };
      default:
        throw new Error(`claim-channel.lua: unknown outcome ${outcome}`);
    }
  },
});

const releaseScript = defineScript({
  source: new URL("./release-channel.lua", import.meta.url),
  keys: ["lease"],
  args: ["instance"],
  reply: Number,
});

/** Asks for a channel, or keeps it. */
export const claimChannel = (
  redis: RedisConnection,
  channel: string,
  instance: string,
): Promise<ChannelClaim> =>
  claimScript(redis, { lease: channelLeaseKey(channel) }, { instance, leaseMs: CHANNEL_LEASE_MS });

/** Gives a channel back; nothing happens when another has it. */
export async function releaseChannel(
  redis: RedisConnection,
  channel: string,
  instance: string,
): Promise<void> {
  await releaseScript(redis, { lease: channelLeaseKey(channel) }, { instance });
}

/** The next revision of the channel's leg: it must grow whichever bridge attaches it. */
export const nextRevision = (redis: RedisConnection, channel: string): Promise<number> =>
  redis.incr(channelRevisionKey(channel));
