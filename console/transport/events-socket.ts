import type { ConsoleMessage, ServerMessage } from "#common/console-events.ts";
import { CloseCode, STALE_AFTER_MS } from "#common/console-link.ts";
import { retryDelayOf } from "../model/backoff.ts";

export interface EventsHandlers {
  /** The server knows us: subscribe now. Called after each connection. */
  readonly onOpen: () => void;
  /** The connection is gone; it is being made again. */
  readonly onLost: () => void;
  /** Nothing was heard for STALE_AFTER_MS although the connection stands. */
  readonly onStale: () => void;
  /** Heard again after onStale. */
  readonly onFresh: () => void;
  readonly onMessage: (message: ServerMessage) => void;
  /** The session ended: sign in again. */
  readonly onSignedOut: () => void;
}

export interface EventsSocket {
  /** False when there is no connection to send on. Nothing is kept for later: old presses are worth nothing. */
  send(message: ConsoleMessage): boolean;
  /** Finds out now whether the path still works: after sleep, a network change, a return to the page. */
  probe(): void;
  close(): void;
}

/** A probe that is not answered in this time means that the path is dead. */
const PROBE_MS = 1_500;
const WATCH_MS = 1_000;

/** Keeps one event socket to the server, for as long as the operator is on duty. */
export function openEventsSocket(url: string, token: string, handlers: EventsHandlers): EventsSocket {
  let socket: WebSocket | undefined;
  let attempt = 0;
  let closed = false;
  let welcome = false;
  let stale = false;
  let heardAt = performance.now();
  let expectedSeq = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let probe: ReturnType<typeof setTimeout> | undefined;

  const hear = (message: ServerMessage): void => {
    heardAt = performance.now();
    clearTimeout(probe);
    probe = undefined;
    if (message.seq !== expectedSeq) {
      // Something between was lost: what we show would be wrong, so start again.
      restart();
      return;
    }
    expectedSeq++;
    if (stale) {
      stale = false;
      handlers.onFresh();
    }
    if (message.type === "welcome") {
      welcome = true;
      attempt = 0;
      handlers.onOpen();
    }
    handlers.onMessage(message);
  };

  const connect = (): void => {
    const next = new WebSocket(url);
    socket = next;
    welcome = false;
    expectedSeq = 0;
    next.onopen = () => {
      next.send(JSON.stringify({ type: "hello", token } satisfies ConsoleMessage));
    };
    next.onmessage = ({ data }: MessageEvent<string>) => {
      if (socket === next) hear(JSON.parse(data) as ServerMessage);
    };
    next.onclose = ({ code }) => {
      if (socket !== next) return;
      if (code === CloseCode.SignedOut) {
        close();
        handlers.onSignedOut();
      } else lost();
    };
  };

  const lost = (): void => {
    if (closed) return;
    const was = welcome;
    welcome = false;
    stale = false;
    socket = undefined;
    clearTimeout(retry);
    if (was || attempt === 0) handlers.onLost();
    retry = setTimeout(connect, retryDelayOf(attempt++, Math.random()));
  };

  /** Gives up on a connection without waiting for its closing handshake, which a dead path never finishes. */
  const restart = (): void => {
    const old = socket;
    if (!old) return;
    lost();
    old.close();
  };

  const watch = setInterval(() => {
    if (!welcome || stale || performance.now() - heardAt < STALE_AFTER_MS) return;
    stale = true;
    handlers.onStale();
    check();
  }, WATCH_MS);

  const check = (): void => {
    if (closed || probe) return;
    if (!socket) {
      clearTimeout(retry);
      connect();
      return;
    }
    if (!welcome) return;
    send({ type: "ping", id: 1 });
    probe = setTimeout(() => {
      probe = undefined;
      restart();
    }, PROBE_MS);
  };

  const send = (message: ConsoleMessage): boolean => {
    if (!welcome || socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(message));
    return true;
  };

  const close = (): void => {
    closed = true;
    clearInterval(watch);
    clearTimeout(retry);
    clearTimeout(probe);
    const old = socket;
    socket = undefined;
    old?.close(1000);
  };

  connect();
  return { send, probe: check, close };
}
