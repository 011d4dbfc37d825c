import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { ReplyEnvelope, RequestEnvelope, RpcRequest } from "./envelope.ts";
import { readInbox } from "./inbox.ts";
import { inboxOf, repliesTo } from "./rpc.keys.ts";

export type { RpcRequest } from "./envelope.ts";

/** Answers a request. A thrown CrossbandError reaches the caller with its code and context. */
export type RpcHandler = (request: RpcRequest) => Promise<unknown>;

export interface Rpc {
  /**
   * Asks another process and waits for its answer. At-most-once per call, so make requests idempotent and retry.
   *
   * @throws CrossbandError RPC_TIMEOUT when no answer came within `deadlineMs`; RPC_REFUSED (context: code, detail) when
   *   the other side threw
   */
  call: (instance: string, request: RpcRequest, deadlineMs?: number) => Promise<unknown>;
  /**
   * Leaves a request in the inbox of another process, which takes it as soon as it reads, whatever becomes of this one.
   * Resolves when it lies there before anything that is written to Redis from then on; nobody hears how it went.
   */
  tell: (instance: string, request: RpcRequest) => Promise<void>;
  /** Stops reading and rejects what is pending. */
  close: () => Promise<void>;
}

interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

const DEFAULT_DEADLINE_MS = 2_000;
/** An inbox keeps at most about this many messages; a reader that far behind has lost its callers anyway. */
const INBOX_LENGTH = 2_000;

/**
 * Requests and replies between processes. A request lies in a stream, so that a reader which connects again finds it; a
 * reply is published, so that whoever waits for many asks Redis for none of them: one that is lost is one that came late.
 *
 * @param redis for writing, and for hearing replies
 * @param reader a connection of its own, opened with `blocking: true`; closed by `close()`
 */
export function startRpc(
  redis: RedisConnection,
  reader: RedisConnection,
  instance: string,
  handler: RpcHandler,
  log: Logger,
): Rpc {
  const pending = new Map<string, Pending>();
  const replies = repliesTo(instance);
  let asked = 0;
  let closed = false;

  let subscription: Promise<unknown> | undefined;
  /** Once only: a connection that is made again subscribes again by itself. */
  const subscribe = (): Promise<unknown> =>
    (subscription ??= redis.subscribe(replies).catch((error: unknown) => {
      subscription = undefined;
      throw error;
    }));

  const send = async (to: string, envelope: RequestEnvelope): Promise<void> => {
    await redis.xadd(inboxOf(to), "MAXLEN", "~", INBOX_LENGTH, "*", "m", JSON.stringify(envelope));
  };

  const answer = async ({ request, reply }: RequestEnvelope): Promise<void> => {
    if (reply && reply.expires < Date.now()) {
      log.warn({ path: request.path }, "rpc request expired unread");
      return;
    }
    const id = reply?.id ?? "";
    const envelope = await Promise.try(handler, request).then(
      (value): ReplyEnvelope => ({ id, ok: true, value: value ?? null }),
      (error: unknown): ReplyEnvelope => {
        const known = error instanceof CrossbandError;
        if (!known) log.error({ error: String(error), path: request.path }, "rpc handler failed");
        return {
          id,
          ok: false,
          code: known ? error.code : ErrorCode.RpcRefused,
          detail: error instanceof Error ? error.message : String(error),
          context: known ? { ...error.context } : {},
        };
      },
    );
    if (reply) await redis.publish(repliesTo(reply.to), JSON.stringify(envelope));
  };

  const settle = (envelope: ReplyEnvelope): void => {
    const waiting = pending.get(envelope.id);
    if (!waiting) return;
    pending.delete(envelope.id);
    clearTimeout(waiting.timer);
    if (envelope.ok) waiting.resolve(envelope.value);
    else
      waiting.reject(
        new CrossbandError(ErrorCode.RpcRefused, envelope.detail, {
          code: envelope.code,
          ...envelope.context,
        }),
      );
  };

  const hear = (channel: string, text: string): void => {
    if (channel !== replies) return;
    try {
      settle(JSON.parse(text) as ReplyEnvelope);
    } catch (error) {
      log.warn({ error: String(error) }, "rpc reply not understood");
    }
  };
  redis.on("message", hear);
  // A call subscribes, when Redis is not there yet.
  subscribe().catch(() => undefined);
  const stopReading = readInbox({
    inbox: inboxOf(instance),
    redis,
    reader,
    log,
    receive(text) {
      answer(JSON.parse(text) as RequestEnvelope).catch((error: unknown) => {
        log.warn({ error: String(error) }, "rpc reply not sent");
      });
    },
  });

  const ask = async (to: string, envelope: RequestEnvelope): Promise<void> => {
    const subscribed = subscribe();
    // One server subscribes before it takes the request, for they come over one connection; a cluster has many.
    if (redis.isCluster) await subscribed;
    await Promise.all([subscribed, send(to, envelope)]);
  };

  return {
    call(to, request, deadlineMs = DEFAULT_DEADLINE_MS) {
      if (closed) return Promise.reject(new CrossbandError(ErrorCode.RpcTimeout, "rpc is closed"));
      const id = `${++asked}`;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          pending.delete(id);
          reject(
            new CrossbandError(ErrorCode.RpcTimeout, "no answer in time", {
              to,
              path: request.path,
              deadlineMs,
            }),
          );
        }, deadlineMs);
        pending.set(id, { resolve, reject, timer });
        ask(to, { request, reply: { to: instance, id, expires: Date.now() + deadlineMs } }).catch(
          (error: unknown) => {
            pending.delete(id);
            clearTimeout(timer);
            reject(
              new CrossbandError(
                ErrorCode.StateUnavailable,
                "rpc request not sent",
                { to },
                { cause: error },
              ),
            );
          },
        );
      });
    },
    async tell(to, request) {
      const sent = send(to, { request });
      // What one server was sent over one connection it does in that order.
      if (redis.isCluster) await sent;
      else
        sent.catch((error: unknown) => {
          log.warn({ error: String(error), to, path: request.path }, "rpc request not left");
        });
    },
    close() {
      closed = true;
      for (const { reject, timer } of pending.values()) {
        clearTimeout(timer);
        reject(new CrossbandError(ErrorCode.RpcTimeout, "rpc is closed"));
      }
      pending.clear();
      stopReading();
      redis.off("message", hear);
      redis.unsubscribe(replies).catch(() => undefined);
      return Promise.resolve();
    },
  };
}
