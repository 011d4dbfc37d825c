import type { Config } from "#common/config.ts";
import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { InstanceCard, Role } from "./instance.ts";

/** What a role process is given when it starts. Every tier's `index.ts` exports one `start…(context)` that takes it. */
export interface RoleContext {
  readonly config: Config;
  readonly log: Logger;
  /** Unique for this start of the process. */
  readonly instance: string;
  /** The cluster's secret: ids, nonces and tokens are derived from it. */
  readonly secret: string;
  /** For commands. */
  readonly redis: RedisConnection;
  /** Opens one more connection, for XREAD BLOCK or subscriptions. The role closes it. */
  openBlocking(): RedisConnection;
}

/** A started role. The runner renews its lease with `card()` and calls `drain()` then `close()` on SIGTERM. */
export interface RoleHandle {
  readonly role: Role;
  /** Its card as of now, without the fields that the runner fills. */
  card(): Pick<InstanceCard, "listeners" | "load">;
  /** Prometheus text of this process. */
  metrics(): Promise<string>;
  /** Takes no new work and resolves when what it had has moved or ended, or after its time limit. Idempotent. */
  drain(): Promise<void>;
  /** Closes sockets and settles what is pending. Idempotent. */
  close(): Promise<void>;
}
