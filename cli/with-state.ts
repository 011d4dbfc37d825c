import type { Config } from "#common/config.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { createLogger } from "#common/log.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { readReady } from "./up/ready.ts";

/**
 * Runs one command's work on the cluster's Redis: that of REDIS_URL, or of the `crossband up` of this home.
 *
 * @throws CrossbandError CONFIG_INVALID when there is neither
 */
export async function withState<T>(
  config: Config,
  command: string,
  work: (redis: RedisConnection) => Promise<T>,
): Promise<T> {
  const url = config.redisUrl ?? readReady(config.home)?.redis;
  if (url === undefined)
    throw new CrossbandError(
      ErrorCode.ConfigInvalid,
      `set REDIS_URL, or start \`crossband up\` first (no ${config.home}/ready.json)`,
    );
  const redis = connect(url, { log: createLogger(command, command, "fatal") });
  try {
    return await work(redis);
  } catch (cause) {
    if (cause instanceof CrossbandError) throw cause;
    throw new CrossbandError(
      ErrorCode.StateUnavailable,
      "Redis does not answer; is it running?",
      {},
      { cause },
    );
  } finally {
    redis.disconnect();
  }
}
