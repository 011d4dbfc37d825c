import { z } from "zod";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { GroupPolicy, LegRequest, Member } from "#common/media-control.ts";
import { listInstances } from "#state/instance/instance.ts";
import { nextRevision } from "#state/radio-channel/claim-channel.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { Rpc } from "#state/rpc/rpc.ts";
import { placeGroup, type Placement } from "#state/talk-group/place-group.ts";

export interface Attachment {
  readonly placement: Placement;
  /** Where the media instance takes our RTP. */
  readonly media: { readonly host: string; readonly port: number };
}

export interface AttachOptions {
  readonly redis: RedisConnection;
  readonly rpc: Rpc;
  readonly channel: string;
  readonly member: Member;
  readonly group: GroupPolicy;
  /** Where we take RTP. */
  readonly host: string;
  readonly port: number;
}

const answerSchema = z.object({
  description: z.object({
    type: z.literal("rtp"),
    host: z.string(),
    port: z.number().int().min(1).max(65_535),
  }),
});

export const radioLegOf = (channel: string): string => `radio.${channel}`;

/**
 * Puts a channel into its group, wherever that is placed.
 *
 * @throws CrossbandError WORKER_UNAVAILABLE when no media instance is alive; what the RPC throws
 */
export async function attach(options: AttachOptions): Promise<Attachment> {
  const { redis, rpc, channel, member, group, host, port } = options;
  const alive = (await listInstances(redis)).filter(({ role }) => role === "media");
  const placement = await placeGroup(redis, group.id, alive);
  if (!placement)
    throw new CrossbandError(ErrorCode.WorkerUnavailable, "no media instance is alive", { group: group.id });
  const revision = await nextRevision(redis, channel);
  const body: LegRequest = { revision, group, member, description: { type: "rtp", host, port } };
  const answer = await rpc.call(placement.instance, {
    method: "PUT",
    path: `/legs/${radioLegOf(channel)}`,
    body,
  });
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success)
    throw new CrossbandError(ErrorCode.RpcRefused, "media answered a radio leg without an address", {
      channel,
    });
  return { placement, media: parsed.data.description };
}

/** Takes a channel out of its group. */
export async function detach(rpc: Rpc, channel: string, instance: string): Promise<void> {
  await rpc.call(instance, { method: "DELETE", path: `/legs/${radioLegOf(channel)}`, body: {} });
}
