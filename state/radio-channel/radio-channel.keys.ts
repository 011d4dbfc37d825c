import { bucketOf, keyIn } from "#state/redis/bucket.ts";

/** String with a lease: the bridge instance that serves a channel. */
export const channelLeaseKey = (channel: string): string => keyIn(bucketOf(channel), "radio-lease", channel);
/** Counter: revision of the channel's leg, one for each time that any bridge attaches it. */
export const channelRevisionKey = (channel: string): string =>
  keyIn(bucketOf(channel), "radio-revision", channel);
