import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import type { WireClient } from "./clients.ts";
import { decodeClientFrame, type ClientFrame } from "./client-frame.codec.ts";
import { newFrameId, type WireContext } from "./context.ts";
import { createFrameDecoder } from "./frame.codec.ts";
import { encodeOk, encodeRefusal } from "./server-frame.codec.ts";
import type { CommandFrame } from "./wire-commands.ts";

/** What clients take us for: they ping servers from v0.8.2 on. */
const PROTOCOL_VERSION = "v0.9.4";
const AUTHENTICATE_MS = 5_000;
const MAX_VERBS = 64;
const MAX_TAGS = 32;
/** Frames that wait for an application that does not read; beyond it the connection is closed. */
const MAX_UNSENT_BYTES = 8 * 1_024 * 1_024;
/** Commands under work for one connection; beyond it no more is read until half are done. */
const MAX_IN_FLIGHT = 1_000;

export interface AttachOptions {
  readonly context: WireContext;
  readonly secret: string;
  readonly execute: (frame: CommandFrame, client: WireClient) => Promise<string | undefined>;
  /** Where we connected to; undefined when the application connected to us. */
  readonly uri?: string;
  /** It has named the secret. */
  readonly onReady?: (client: WireClient) => void;
  readonly onClose: (client: WireClient) => void;
}

/** Serves one connection of an application until it closes. */
export function attachClient(socket: Socket, options: AttachOptions): void {
  const { context, secret, execute, uri } = options;
  const { log, counters, port } = context;
  const decoder = createFrameDecoder();
  const verbs = new Set<string>();
  let tags: readonly string[] = [];
  let authenticated = false;
  let inFlight = 0;
  const client: WireClient = {
    id: randomBytes(9).toString("base64url"),
    get tags() {
      return tags;
    },
    verbs,
    uri,
    send(frame) {
      if (!socket.writable) return false;
      if (socket.writableLength + frame.length > MAX_UNSENT_BYTES) {
        log.warn({ client: client.id }, "application does not read: closed");
        socket.destroy();
        return false;
      }
      counters.frames++;
      socket.write(frame, "latin1");
      return true;
    },
  };
  const answer = (frame: string | undefined): void => {
    if (frame !== undefined) client.send(frame);
  };

  const run = (frame: CommandFrame): void => {
    if (++inFlight >= MAX_IN_FLIGHT) socket.pause();
    void execute(frame, client).then((reply) => {
      answer(reply);
      if (--inFlight <= MAX_IN_FLIGHT / 2 && socket.isPaused()) socket.resume();
    });
  };

  const authenticate = (frame: Extract<ClientFrame, { type: "authenticate" }>): void => {
    const reply = { id: newFrameId(), to: frame.id };
    if (!sameSecret(frame.secret, secret)) {
      log.warn({ host: socket.remoteAddress }, "application with a wrong secret");
      answer(encodeRefusal(reply, "NO", "incorrect secret"));
      socket.end();
      return;
    }
    if (authenticated) {
      answer(encodeOk(reply));
      return;
    }
    authenticated = true;
    tags = frame.tags.slice(0, MAX_TAGS);
    socket.setTimeout(0);
    context.clients.add(client);
    log.info({ client: client.id, tags, outbound: uri !== undefined }, "application attached");
    const at = `udp/${port.advertised},tcp/${port.advertised}`;
    answer(encodeOk(reply, at, PROTOCOL_VERSION, at));
    options.onReady?.(client);
  };

  const onFrame = (frame: ClientFrame): void => {
    if (frame.type === "authenticate") {
      authenticate(frame);
      return;
    }
    if (!authenticated) {
      socket.destroy();
      return;
    }
    const reply = { id: newFrameId(), to: frame.id };
    switch (frame.type) {
      case "route":
        if (verbs.size < MAX_VERBS) verbs.add(frame.verb);
        answer(encodeOk(reply));
        break;
      case "remove-route":
        verbs.delete(frame.verb);
        answer(encodeOk(reply));
        break;
      case "ping":
        answer(encodeOk(reply, "pong"));
        break;
      case "sip":
      case "proxy":
        run(frame);
        break;
      case "unsupported":
        counters.refused++;
        answer(encodeRefusal(reply, "NO", "Unknown message type"));
        break;
      case "malformed":
        counters.refused++;
        answer(encodeRefusal(reply, "NOK", `malformed ${frame.what}`));
        break;
    }
  };

  socket.setTimeout(AUTHENTICATE_MS, () => socket.destroy());
  socket.on("error", (error) => {
    log.debug({ error: String(error) }, "application connection failed");
  });
  socket.on("data", (chunk) => {
    const frames = decoder.push(typeof chunk === "string" ? chunk : chunk.toString("latin1"));
    if (!frames) socket.destroy();
    for (const text of frames ?? []) {
      const frame = decodeClientFrame(text);
      if (frame) onFrame(frame);
      else counters.refused++;
    }
  });
  socket.on("close", () => {
    context.clients.remove(client);
    if (authenticated) log.info({ client: client.id }, "application gone");
    options.onClose(client);
  });
}

/** Compared as digests, so that neither length nor content can be told from the time it takes. */
function sameSecret(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
