import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { RoleContext } from "#state/instance/role.ts";
import type { GroupFloor } from "../floor/group-floor.ts";
import type { Metrics } from "../metrics.ts";

/** What the handlers work with. */
export interface RouteContext extends Pick<RoleContext, "config" | "log" | "secret" | "redis"> {
  readonly metrics: Metrics;
  readonly floor: GroupFloor;
}

/** A fastify whose schemas are zod's. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;
