import { z } from "zod";
import {
  digestHashes,
  getDomain,
  getResource,
  listResources,
  putResource,
} from "#state/directory/directory.ts";
import type { Kind } from "#state/directory/directory.keys.ts";
import { agencySchema, radioChannelSchema, talkGroupSchema, userSchema } from "#state/directory/provision.ts";
import { trunkProblems, trunkSchema } from "#state/directory/trunk-schema.ts";
import type { User } from "#state/directory/provision.ts";
import { Refusal } from "../problem.ts";
import type { App, RouteContext } from "./route-context.ts";
import { serveResource } from "./serve-resource.ts";

/** A user without its password; a PUT without one keeps the password that is stored. */
const userCardSchema = userSchema.omit({ password: true });
const userPutSchema = userSchema.extend({ password: userSchema.shape.password.optional() });
const trunkCardSchema = trunkSchema.extend({ password: z.literal("[secret]").optional() });

const userCard = ({ id, agency, name, priority, number }: User): z.output<typeof userCardSchema> => ({
  id,
  agency,
  name,
  priority,
  number,
});

/** `/v1/agencies`, `/v1/users`, …: provisioning, one resource at a time, for administrators. */
export function resourceRoutes(app: App, context: RouteContext): void {
  const { redis, config } = context;
  const mustExist = async (kind: Kind, id: string, pointer: string): Promise<void> => {
    if (await getResource(redis, kind, id)) return;
    throw new Refusal(409, `there is no such ${kind}`, {
      errors: [{ pointer, detail: `names no ${kind}: ${id}` }],
    });
  };
  const mustNotExist = async (kind: Kind, id: string): Promise<void> => {
    if (!(await getResource(redis, kind, id))) return;
    // Users and groups share the SIP address space of the domain.
    throw new Refusal(409, "the id is taken", { errors: [{ pointer: "/id", detail: `is also a ${kind}` }] });
  };

  serveResource(app, context, {
    path: "/v1/agencies",
    put: agencySchema,
    card: agencySchema,
    list: () => listResources(redis, "agency"),
    get: (id) => getResource(redis, "agency", id),
    store: (agency) => putResource(redis, "agency", agency),
  });

  serveResource(app, context, {
    path: "/v1/users",
    put: userPutSchema,
    card: userCardSchema,
    list: async () => (await listResources(redis, "user")).map(userCard),
    async get(id) {
      const user = await getResource(redis, "user", id);
      return user && userCard(user);
    },
    async store({ password, ...user }) {
      await mustExist("agency", user.agency, "/agency");
      await mustNotExist("talk-group", user.id);
      const known = await getResource(redis, "user", user.id);
      const domain = await getDomain(redis, config.sip.domain);
      const ha1 = password === undefined ? known?.ha1 : digestHashes(user.id, domain, password);
      if (!ha1)
        throw new Refusal(400, "a new user needs a password", {
          errors: [{ pointer: "/password", detail: "is required" }],
        });
      await putResource(redis, "user", { ...user, ha1 });
    },
  });

  serveResource(app, context, {
    path: "/v1/talk-groups",
    put: talkGroupSchema,
    card: talkGroupSchema,
    list: () => listResources(redis, "talk-group"),
    get: (id) => getResource(redis, "talk-group", id),
    async store(group) {
      await mustExist("agency", group.agency, "/agency");
      await mustNotExist("user", group.id);
      for (const [i, member] of group.members.entries())
        if (!(await getResource(redis, "radio-channel", member)))
          await mustExist("user", member, `/members/${i}`);
      await putResource(redis, "talk-group", group);
    },
  });

  serveResource(app, context, {
    path: "/v1/radio-channels",
    put: radioChannelSchema,
    card: radioChannelSchema,
    list: () => listResources(redis, "radio-channel"),
    get: (id) => getResource(redis, "radio-channel", id),
    async store(channel) {
      await mustExist("agency", channel.agency, "/agency");
      await mustExist("talk-group", channel.talkGroup, "/talkGroup");
      await putResource(redis, "radio-channel", channel);
    },
  });

  const maskTrunk = ({
    password,
    ...trunk
  }: z.output<typeof trunkSchema>): z.output<typeof trunkCardSchema> =>
    password === undefined ? trunk : { ...trunk, password: "[secret]" };
  serveResource(app, context, {
    path: "/v1/trunks",
    put: trunkSchema,
    card: trunkCardSchema,
    list: async () => (await listResources(redis, "trunk")).map(maskTrunk),
    async get(id) {
      const trunk = await getResource(redis, "trunk", id);
      return trunk && maskTrunk(trunk);
    },
    async store(trunk) {
      const errors = trunkProblems(trunk).map(({ path, message }) => ({
        pointer: `/${path.join("/")}`,
        detail: message,
      }));
      if (errors.length > 0) throw new Refusal(400, "the trunk is not in order", { errors });
      for (const [i, { to }] of trunk.inbound.entries())
        if (!(await getResource(redis, "talk-group", to))) await mustExist("user", to, `/inbound/${i}/to`);
      await putResource(redis, "trunk", trunk);
    },
  });
}
