import { z } from "zod";
import { memberSchema } from "#common/media-control.ts";
import { getResource, listResources } from "#state/directory/directory.ts";
import type { TalkGroup, User } from "#state/directory/provision.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { signedInUser } from "../access/bearer.ts";
import { mayJoin } from "#state/directory/may-join.ts";
import { problemSchema, Refusal } from "../problem.ts";
import type { App, RouteContext } from "./route-context.ts";

/** A talk group as a console shows it before anybody talks. */
export const groupCardSchema = z.object({
  id: z.string(),
  name: z.string(),
  agency: z.object({ id: z.string(), name: z.string() }),
  mode: z.enum(["half-duplex", "full-duplex"]),
  maxTalkMs: z.number().int(),
  queue: z.boolean(),
});
export type GroupCard = z.infer<typeof groupCardSchema>;

const participantSchema = memberSchema.extend({ leg: z.string(), camera: z.boolean() });

const snapshotSchema = z.object({
  group: z.string(),
  floor: z.discriminatedUnion("state", [
    z.object({ state: z.literal("idle"), seq: z.number() }),
    z.object({
      state: z.literal("taken"),
      seq: z.number(),
      leg: z.string(),
      holder: memberSchema,
      sinceMs: z.number(),
      hold: z.string().optional(),
    }),
  ]),
  participants: z.array(participantSchema),
  talking: z.array(z.string()),
});

/** The groups that a user may join, by name. */
export async function groupsOf(redis: RedisConnection, user: User): Promise<GroupCard[]> {
  const groups = (await listResources(redis, "talk-group")).filter((group) => mayJoin(user, group));
  const cards = await Promise.all(groups.map((group) => cardOf(redis, group)));
  return cards.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

async function cardOf(redis: RedisConnection, group: TalkGroup): Promise<GroupCard> {
  const { id, name, mode, maxTalkMs, queue } = group;
  const agency = await getResource(redis, "agency", group.agency);
  return {
    id,
    name,
    agency: { id: group.agency, name: agency?.name ?? group.agency },
    mode,
    maxTalkMs,
    queue,
  };
}

/** `/v1/groups`: what the signed-in user may join, and who is in it. */
export function groupRoutes(app: App, { redis, floor }: RouteContext): void {
  const security = [{ bearer: [] }];

  app.get(
    "/v1/groups",
    {
      schema: {
        tags: ["groups"],
        summary: "Talk groups that you may join",
        security,
        response: { 200: z.object({ groups: z.array(groupCardSchema) }), 401: problemSchema },
      },
    },
    async (request) => ({ groups: await groupsOf(redis, await signedInUser(redis, request)) }),
  );

  app.get(
    "/v1/groups/:id",
    {
      schema: {
        tags: ["groups"],
        summary: "One talk group: floor and participants now",
        security,
        params: z.object({ id: z.string().max(63) }),
        response: {
          200: z.object({ group: groupCardSchema, snapshot: snapshotSchema }),
          401: problemSchema,
          404: problemSchema,
        },
      },
    },
    async (request) => {
      const user = await signedInUser(redis, request);
      const group = await getResource(redis, "talk-group", request.params.id);
      // A group of others is as unknown as one that is not there.
      if (!group || !mayJoin(user, group)) throw new Refusal(404, "you may join no such group");
      const snapshot = await floor.snapshot(group.id);
      return { group: await cardOf(redis, group), snapshot: snapshotSchema.parse(snapshot) };
    },
  );
}
