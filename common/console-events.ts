import { z } from "zod";
import type { FloorAnswer, GroupEvent, GroupSnapshot } from "./media-control.ts";
import { floorRequestSchema } from "./media-control.ts";

/**
 * What a console and an api process say to each other on the WebSocket `/v1/events`: one JSON object a message.
 *
 * The console opens with `hello`, is told `welcome`, and then subscribes. Each message of the server carries `seq`, one
 * more than the last: a gap means that something was lost and the console must start again. `hb` comes each
 * HEARTBEAT_MS; a console that hears nothing for STALE_AFTER_MS says so and refuses to talk.
 */

const groupId = z.string().min(1).max(63);
const groupIds = z.array(groupId).min(1).max(200);

export const consoleMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("hello"), token: z.string().min(1).max(128) }),
  z.object({ type: z.literal("subscribe"), groups: groupIds }),
  z.object({ type: z.literal("unsubscribe"), groups: groupIds }),
  z.object({ type: z.literal("ping"), id: z.number().int() }),
  floorRequestSchema.extend({ type: z.literal("floor"), group: groupId, leg: z.string().min(1).max(128) }),
]);
export type ConsoleMessage = z.infer<typeof consoleMessageSchema>;

/** The media process's answer, or why there is none. */
export type ConsoleFloorAnswer =
  FloorAnswer | { readonly outcome: "failed"; readonly cause: "not-joined" | "no-media" | "too-many-holds" };

export type ServerMessage = { readonly seq: number } & (
  | { readonly type: "welcome"; readonly user: string; readonly heartbeatMs: number }
  | { readonly type: "hb"; readonly atMs: number }
  | { readonly type: "pong"; readonly id: number }
  | { readonly type: "snapshot"; readonly group: string; readonly snapshot: GroupSnapshot }
  | { readonly type: "event"; readonly event: GroupEvent }
  | {
      readonly type: "floor-answer";
      readonly group: string;
      readonly leg: string;
      readonly hold: string;
      readonly action: "request" | "renew" | "release";
      readonly answer: ConsoleFloorAnswer;
    }
  | {
      readonly type: "refused";
      readonly group: string;
      readonly cause: "unknown-group" | "not-allowed" | "too-many" | "unavailable";
    }
);

type WithoutSeq<M> = M extends unknown ? Omit<M, "seq"> : never;
export type ServerMessageBody = WithoutSeq<ServerMessage>;
