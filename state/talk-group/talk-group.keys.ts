import { bucketOf, keyIn } from "#state/redis/bucket.ts";

/** Channel of a group's events (`GroupEvent` of common/media-control.ts), for consoles. */
export const groupChannel = (group: string): string => keyIn(bucketOf(group), "group-events", group);
/** String: JSON GroupSnapshot, the media process's mirror for late joiners and take-over. */
export const groupSnapshotKey = (group: string): string => keyIn(bucketOf(group), "group-state", group);
/** String: JSON placement of a group on a media instance, with its epoch. */
export const placementKey = (group: string): string => keyIn(bucketOf(group), "placement", group);
/** Channel on which media says that legs ended (`leg-ended` events), for signaling: one for the cluster. */
export const legEndedChannel = keyIn(0, "legs-ended");
