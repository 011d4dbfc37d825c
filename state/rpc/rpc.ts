import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { inboxOf } from "./rpc.keys.ts";

export type RpcMethod = "GET" | "PUT" | "POST" | "PATCH" | "DELETE";

export interface RpcRequest {
  readonly method: RpcMethod;
  /** Resource path, `/legs/<id>`. */
  readonly path: string;
  readonly body: unknown;
}

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
  /** Stops reading and rejects what is pending. */
  close: () => Promise<void>;
}

interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

type Envelope =
  | {
      readonly kind: "request";
      readonly id: string;
      readonly from: string;
      readonly expires: number;
      readonly request: RpcRequest;
    }
  | { readonly kind: "reply"; readonly id: string; readonly ok: true; readonly value: unknown }
  | {
      readonly kind: "reply";
      readonly id: string;
      readonly ok: false;
      readonly code: string;
      readonly detail: string;
      readonly context: Record<string, unknown>;
    };

const DEFAULT_DEADLINE_MS = 2_000;
/** An inbox keeps at most about this many messages; a reader that far behind has lost its callers anyway. */
const INBOX_LENGTH = 2_000;
/** An inbox nobody writes to any more disappears, in s. */
const INBOX_TTL_S = 3_600;

/**
 * Requests and replies between processes, over one Redis stream a process.
 *
 * @param redis for writing
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
  let asked = 0;
  let closed = false;
  const isClosed = () => closed;

  const send = async (to: string, envelope: Envelope): Promise<void> => {
    const inbox = inboxOf(to);
    await redis.xadd(inbox, "MAXLEN", "~", INBOX_LENGTH, "*", "m", JSON.stringify(envelope));
  };

  const answer = async (envelope: Extract<Envelope, { kind: "request" }>): Promise<void> => {
    if (envelope.expires < Date.now()) {
      log.warn({ path: envelope.request.path }, "rpc request expired unread");
      return;
    }
    const { id } = envelope;
    const reply: Envelope = await Promise.try(handler, envelope.request).then(
      (value): Envelope => ({ kind: "reply", id, ok: true, value: value ?? null }),
      (error: unknown): Envelope => {
        const known = error instanceof CrossbandError;
        if (!known) log.error({ error: String(error), path: envelope.request.path }, "rpc handler failed");
        return {
          kind: "reply",
          id,
          ok: false,
          code: known ? error.code : ErrorCode.RpcRefused,
          detail: error instanceof Error ? error.message : String(error),
          context: known ? { ...error.context } : {},
        };
      },
    );
    await send(envelope.from, reply);
  };

  const settle = (envelope: Extract<Envelope, { kind: "reply" }>): void => {
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

  const receive = (text: string): void => {
    const envelope = JSON.parse(text) as Envelope;
    if (envelope.kind === "reply") {
      settle(envelope);
      return;
    }
    answer(envelope).catch((error: unknown) => {
      log.warn({ error: String(error) }, "rpc reply not sent");
    });
  };

  const read = async (): Promise<void> => {
    const inbox = inboxOf(instance);
    let last = "0-0";
    let expireAt = 0;
    while (!closed) {
      try {
        if (Date.now() > expireAt) {
          expireAt = Date.now() + (INBOX_TTL_S * 1_000) / 4;
          await redis.expire(inbox, INBOX_TTL_S);
        }
        const reply = await reader.xread("COUNT", 64, "BLOCK", 60_000, "STREAMS", inbox, last);
        for (const [id, fields] of reply?.[0]?.[1] ?? []) {
          last = id;
          receive(fields[1] ?? "{}");
        }
      } catch (error) {
        // `close()` ends the blocked read by closing its connection.
        if (isClosed()) return;
        log.warn({ error: String(error) }, "rpc inbox read failed");
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  };
  void read();

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
        send(to, { kind: "request", id, from: instance, expires: Date.now() + deadlineMs, request }).catch(
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
    close() {
      closed = true;
      for (const { reject, timer } of pending.values()) {
        clearTimeout(timer);
        reject(new CrossbandError(ErrorCode.RpcTimeout, "rpc is closed"));
      }
      pending.clear();
      reader.disconnect();
      return Promise.resolve();
    },
  };
}
