import { createRequire } from "node:module";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { bytesToUtf8, utf8ToBytes } from "#signaling/edge/message/grammar.ts";
import { decodeEdgeFrame, type EdgeFrame } from "./edge-frame.codec.ts";

/** What we use of drachtio-srf 5: its socket, framing, authentication, routes and reconnection. Its own typings lack all of it. */
interface WireProtocol {
  listeners(event: "msg"): ((socket: unknown, frame: string) => void)[];
  removeAllListeners(event: "msg"): void;
  on(event: "msg", listener: (socket: unknown, frame: string) => void): void;
  send(socket: unknown, frame: string): string;
}
interface Srf {
  readonly app: {
    readonly client: { readonly wp: WireProtocol; readonly mapServer: ReadonlyMap<unknown, unknown> };
    readonly routedMethods: Record<string, boolean>;
  };
  connect(options: { host: string; port: number; secret: string }): void;
  on(event: "connect" | "error" | "close", listener: (error: Error | null) => void): void;
  disconnect(): void;
  use(method: string, middleware: () => void): void;
}

type Reply = Extract<EdgeFrame, { type: "reply" }>;
type SipFrame = Extract<EdgeFrame, { type: "sip" }>;

/** A server that takes longer has lost the frame or itself. */
const REPLY_MS = 5_000;
const MAX_PENDING = 10_000;

export interface SrfConnection {
  /** Sends a frame without id, and resolves with the server's reply. @throws CrossbandError RPC_TIMEOUT, STATE_UNAVAILABLE */
  send(frame: string): Promise<Reply>;
  readonly pending: number;
  /** Resolves when the server has accepted us the first time. */
  readonly ready: Promise<void>;
  close(): void;
}

/**
 * A connection to a drachtio server by drachtio-srf, whose agent and dialogs are kept out of it: frames are taken away before
 * they reach them, because they know only what this very process began and throw at what they do not know.
 */
export function connectSrf(
  options: {
    readonly host: string;
    readonly port: number;
    readonly secret: string;
    readonly methods: readonly string[];
  },
  onSip: (frame: SipFrame) => void,
  log: Logger,
): SrfConnection {
  const Srf = createRequire(import.meta.url)("drachtio-srf") as new () => Srf;
  const srf = new Srf();
  const pending = new Map<
    string,
    { resolve: (reply: Reply) => void; reject: (error: Error) => void; timer: NodeJS.Timeout }
  >();
  let closed = false;
  const settleAll = (): void => {
    for (const { reject, timer } of pending.values()) {
      clearTimeout(timer);
      reject(new CrossbandError(ErrorCode.StateUnavailable, "connection to the SIP server is lost"));
    }
    pending.clear();
  };
  const ready = new Promise<void>((resolve) => {
    srf.on("connect", (error) => {
      if (error) log.error({ error: error.message }, "SIP server refuses the secret");
      else {
        log.info({ host: options.host, port: options.port }, "SIP server connected");
        resolve();
      }
    });
  });
  srf.on("error", (error) => {
    log.warn({ error: String(error) }, "SIP server not reached");
  });
  srf.on("close", settleAll);
  // Asks for every method; the handlers are never reached.
  for (const method of options.methods) srf.use(method, () => undefined);
  srf.connect(options);
  const { wp, mapServer } = srf.app.client;
  const agent = wp.listeners("msg");
  wp.removeAllListeners("msg");
  wp.on("msg", (socket, text) => {
    try {
      const frame = decodeEdgeFrame(utf8ToBytes(text));
      if (frame?.type === "sip") onSip(frame);
      else if (frame && pending.has(frame.to)) settle(frame);
      else if (frame) for (const listener of agent) listener(socket, text);
    } catch (error) {
      // What is thrown here would be delivered again with every later packet.
      log.error({ error: String(error) }, "frame not handled");
    }
  });

  function settle(reply: Reply): void {
    const waiting = pending.get(reply.to);
    pending.delete(reply.to);
    if (!waiting) return;
    clearTimeout(waiting.timer);
    waiting.resolve(reply);
  }

  return {
    ready,
    get pending() {
      return pending.size;
    },
    send: (frame) =>
      new Promise((resolve, reject) => {
        const [socket] = mapServer.keys();
        if (closed || socket === undefined || pending.size >= MAX_PENDING) {
          reject(new CrossbandError(ErrorCode.StateUnavailable, "SIP server is not connected"));
          return;
        }
        const id = wp.send(socket, bytesToUtf8(frame));
        const timer = setTimeout(() => {
          pending.delete(id);
          reject(new CrossbandError(ErrorCode.RpcTimeout, "SIP server does not reply"));
        }, REPLY_MS);
        pending.set(id, { resolve, reject, timer });
      }),
    close() {
      if (closed) return;
      closed = true;
      settleAll();
      if (mapServer.size > 0) srf.disconnect();
    },
  };
}
