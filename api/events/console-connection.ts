import type { WebSocket } from "ws";
import {
  consoleMessageSchema,
  type ConsoleFloorAnswer,
  type ConsoleMessage,
  type ServerMessageBody,
} from "#common/console-events.ts";
import { CloseCode, HEARTBEAT_MS } from "#common/console-link.ts";
import type { Logger } from "#common/log.ts";
import type { FloorRequest, GroupEvent } from "#common/media-control.ts";
import type { TalkGroup, User } from "#state/directory/provision.ts";
import { mayJoin } from "#state/directory/may-join.ts";
import type { GroupFloor } from "../floor/group-floor.ts";
import type { Metrics } from "../metrics.ts";
import type { GroupFeed } from "./group-feed.ts";
import { createMessageBudget } from "./message-budget.ts";

export interface ConsoleServices {
  readonly feed: GroupFeed;
  readonly floor: GroupFloor;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** The user of a session token, now. */
  findUser(token: string): Promise<User | undefined>;
  findGroup(id: string): Promise<TalkGroup | undefined>;
}

export interface ConsoleConnection {
  /** Tells the console to go elsewhere. Idempotent. */
  close(code: number, reason: string): void;
  /** Settles when the holds of a closed connection have been given back. */
  readonly ended: Promise<void>;
}

/** A socket that has not said hello by then is closed, in ms. */
const HELLO_MS = 5_000;
const MESSAGES_PER_SECOND = 40;
const MESSAGES_BURST = 200;
const MAX_SUBSCRIPTIONS = 200;
/** Presses at once: one console does not talk on more groups than this. */
const MAX_HOLDS = 64;
/** A console with this much unread is closed: what it would read is old. In bytes. */
const MAX_BUFFERED = 512 * 1_024;

/** One console's event socket, from hello to close. Every path out gives back the floor it held. */
export function serveConsole(socket: WebSocket, services: ConsoleServices): ConsoleConnection {
  const { feed, floor, metrics, log } = services;
  const budget = createMessageBudget(MESSAGES_PER_SECOND, MESSAGES_BURST);
  const subscriptions = new Map<string, () => void>();
  const holds = new Map<string, FloorRequest>();
  let user: User | undefined;
  let token = "";
  let seq = 0;
  let heard = true;
  /** Messages are handled one after another, so that a release never overtakes its request. */
  let work = Promise.resolve();
  const ended = Promise.withResolvers<undefined>();
  const isOpen = (): boolean => socket.readyState === socket.OPEN;

  const close = (code: number, reason: string): void => {
    if (!isOpen()) return;
    metrics.consoleCloses.inc({ reason });
    socket.close(code, reason);
  };

  const send = (message: ServerMessageBody): void => {
    if (!isOpen()) return;
    if (socket.bufferedAmount > MAX_BUFFERED) {
      close(CloseCode.TooSlow, "too slow");
      return;
    }
    metrics.consoleMessages.inc({ direction: "out", type: message.type });
    socket.send(JSON.stringify({ seq: seq++, ...message }));
  };

  const hello = async (message: Extract<ConsoleMessage, { type: "hello" }>): Promise<void> => {
    token = message.token;
    user = await services.findUser(token);
    if (user) send({ type: "welcome", user: user.id, heartbeatMs: HEARTBEAT_MS });
    else close(CloseCode.SignedOut, "no such session");
  };

  /** What concerns one leg goes to the user of that leg only. */
  const isForUs = (event: GroupEvent): boolean =>
    !("leg" in event) || feed.knownOwnerOf(event.group, event.leg) === user?.id;

  const subscribe = async (who: User, group: string): Promise<void> => {
    if (subscriptions.has(group)) return;
    if (subscriptions.size >= MAX_SUBSCRIPTIONS) {
      send({ type: "refused", group, cause: "too-many" });
      return;
    }
    subscriptions.set(group, () => undefined);
    const refuse = (cause: "unknown-group" | "not-allowed" | "unavailable"): void => {
      subscriptions.delete(group);
      send({ type: "refused", group, cause });
    };
    try {
      const card = await services.findGroup(group);
      if (!card) {
        refuse("unknown-group");
        return;
      }
      if (!mayJoin(who, card)) {
        refuse("not-allowed");
        return;
      }
      const stop = await feed.subscribe(group, (item) => {
        if (item.type === "snapshot") send({ type: "snapshot", group, snapshot: item.snapshot });
        else if (isForUs(item.event)) send({ type: "event", event: item.event });
      });
      if (isOpen()) subscriptions.set(group, stop);
      else stop();
    } catch (error) {
      log.warn({ group, error: String(error) }, "subscription failed");
      refuse("unavailable");
    }
  };

  const answerFloor = async (who: User, request: FloorRequest): Promise<ConsoleFloorAnswer> => {
    const { group, leg, hold, action } = request;
    const owner = await feed.ownerOf(group, leg);
    if (owner !== who.id) return { outcome: "failed", cause: "not-joined" };
    if (action === "request" && !holds.has(hold) && holds.size >= MAX_HOLDS)
      return { outcome: "failed", cause: "too-many-holds" };
    if (action !== "release") holds.set(hold, request);
    const stop = metrics.floorAnswers.startTimer();
    const answer = await floor.ask(request);
    stop({ outcome: answer.outcome });
    if (answer.outcome === "denied" || answer.outcome === "released") holds.delete(hold);
    return answer;
  };

  const askFloor = async (who: User, request: FloorRequest): Promise<void> => {
    const { group, leg, hold, action } = request;
    const answer = await answerFloor(who, request).catch((error: unknown): ConsoleFloorAnswer => {
      log.warn({ group, error: String(error) }, "floor request failed");
      return { outcome: "failed", cause: "no-media" };
    });
    send({ type: "floor-answer", group, leg, hold, action, answer });
  };

  const handle = async (message: ConsoleMessage): Promise<void> => {
    metrics.consoleMessages.inc({ direction: "in", type: message.type });
    if (!user) {
      if (message.type === "hello") await hello(message);
      else close(CloseCode.BadMessage, "say hello first");
      return;
    }
    switch (message.type) {
      case "hello":
        close(CloseCode.BadMessage, "said hello twice");
        return;
      case "subscribe":
        // Not awaited: a press must not wait for a slow snapshot.
        for (const group of message.groups) void subscribe(user, group);
        return;
      case "unsubscribe":
        for (const group of message.groups) {
          subscriptions.get(group)?.();
          subscriptions.delete(group);
        }
        return;
      case "ping":
        send({ type: "pong", id: message.id });
        return;
      case "floor": {
        const { group, leg, hold, action } = message;
        await askFloor(user, { group, leg, hold, action });
        return;
      }
    }
  };

  const releaseAll = async (): Promise<void> => {
    const left = [...holds.values()];
    holds.clear();
    // The lease is the second lock: a release that fails here ends by itself within FLOOR_LEASE_MS.
    await Promise.allSettled(left.map((request) => floor.ask({ ...request, action: "release" })));
  };

  const beat = setInterval(() => {
    if (!heard) {
      socket.terminate();
      return;
    }
    heard = false;
    socket.ping();
    if (user) send({ type: "hb", atMs: Date.now() });
    void services.findUser(token).then(
      (found) => {
        if (!found && user) close(CloseCode.SignedOut, "session ended");
      },
      () => undefined,
    );
  }, HEARTBEAT_MS);
  const helloTimer = setTimeout(() => {
    if (!user) close(CloseCode.SignedOut, "no hello");
  }, HELLO_MS);

  socket.on("pong", () => {
    heard = true;
  });
  socket.on("message", (data, isBinary) => {
    heard = true;
    if (!budget.spend(performance.now())) {
      close(CloseCode.TooFast, "too many messages");
      return;
    }
    const message = isBinary ? undefined : parseMessage(data as Buffer);
    if (!message) {
      close(CloseCode.BadMessage, "not a message");
      return;
    }
    work = work
      .then(() => (isOpen() ? handle(message) : undefined))
      .catch((error: unknown) => {
        log.error({ error: String(error) }, "console message failed");
        close(1011, "internal error");
      });
  });
  // A broken frame or one that is too large; ws closes the socket with the code that says so.
  socket.on("error", (error) => {
    log.info({ error: error.message }, "event socket error");
  });
  socket.on("close", () => {
    clearInterval(beat);
    clearTimeout(helloTimer);
    metrics.consoles.dec();
    for (const stop of subscriptions.values()) stop();
    subscriptions.clear();
    const settle = (): void => {
      ended.resolve(undefined);
    };
    void releaseAll()
      // A request that was on its way when the socket closed may still be granted.
      .then(() => work)
      .then(releaseAll)
      .then(settle, settle);
  });
  metrics.consoles.inc();

  return { close, ended: ended.promise };
}

/** ws hands over one Buffer a message unless told otherwise. */
function parseMessage(text: Buffer): ConsoleMessage | undefined {
  try {
    return consoleMessageSchema.safeParse(JSON.parse(text.toString("utf8"))).data;
  } catch {
    return undefined;
  }
}
