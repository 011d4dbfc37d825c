import { everyBeat } from "#common/beat.ts";
import type { Logger } from "#common/log.ts";
import { fetchBans, storeBan, type StoredBan } from "#state/ban/bans.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { Ban, SourceGuard } from "./transport/source-guard.ts";

/** How often the cluster's bans are read, in ms: so late one is lifted, or taken over from another process. */
const LOOK_MS = 5_000;

/** Shares bans with the other processes. The returned function ends it. */
export function keepBans(
  redis: RedisConnection,
  guard: Pick<SourceGuard, "replaceBans">,
  log: Logger,
): { readonly share: (ban: Ban) => void; readonly close: () => void } {
  const look = async (): Promise<void> => {
    guard.replaceBans((await fetchBans(redis, Date.now())).map(asBan));
  };
  const warn = (error: unknown): void => {
    // What this process has found out holds here all the same.
    log.debug({ error: String(error) }, "bans not shared");
  };
  const close = everyBeat(LOOK_MS, () => void look().catch(warn));
  return {
    share(ban) {
      log.warn({ host: ban.host, offence: ban.offence, proven: ban.proven }, "address banned");
      storeBan(redis, ban).catch(warn);
    },
    close,
  };
}

/** What another version of the program calls an offence is none of ours: only its name is lost. */
const asBan = ({ host, untilMs, offence, proven }: StoredBan): Ban => ({
  host,
  untilMs,
  offence: offence as Ban["offence"],
  proven,
});
