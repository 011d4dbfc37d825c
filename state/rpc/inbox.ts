import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";

/** An inbox nobody writes to any more disappears, in s. */
const INBOX_TTL_S = 3_600;
const COUNT = 64;
const BLOCK_MS = 60_000;
const RETRY_MS = 200;

export interface InboxOptions {
  /** The stream. */
  readonly inbox: string;
  readonly redis: RedisConnection;
  /** A connection of its own, opened with `blocking: true`; closed by the returned function. */
  readonly reader: RedisConnection;
  readonly log: Logger;
  /** Takes one message; must not throw, or the next are read late. */
  readonly receive: (text: string) => void;
}

/**
 * Reads a stream from its beginning: what was written while the reader was away is not lost.
 *
 * @returns ends the reading; idempotent
 */
export function readInbox({ inbox, redis, reader, log, receive }: InboxOptions): () => void {
  let closed = false;
  const isClosed = () => closed;
  let expireAtMs = 0;
  /** There is nothing to expire before the first message. */
  const keepAlive = async (): Promise<void> => {
    if (Date.now() > expireAtMs && (await redis.expire(inbox, INBOX_TTL_S)) === 1)
      expireAtMs = Date.now() + (INBOX_TTL_S * 1_000) / 4;
  };
  const read = async (): Promise<void> => {
    let last = "0-0";
    while (!closed) {
      try {
        const reply = await reader.xread("COUNT", COUNT, "BLOCK", BLOCK_MS, "STREAMS", inbox, last);
        for (const [id, fields] of reply?.[0]?.[1] ?? []) {
          last = id;
          receive(fields[1] ?? "{}");
        }
        await keepAlive();
      } catch (error) {
        // Closing ends the blocked read by closing its connection.
        if (isClosed()) return;
        log.warn({ error: String(error) }, "rpc inbox not read");
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  };
  void read();
  return () => {
    closed = true;
    reader.disconnect();
  };
}
