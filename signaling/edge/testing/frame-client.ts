import { once } from "node:events";
import { connect } from "node:net";

/** A reply or message of the server, as tokens and payload. */
export interface Frame {
  readonly tokens: readonly string[];
  readonly payload: string;
}

/** A client of the drachtio protocol that says exactly what it is told to. */
export async function openFrameClient(port: number) {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  let held = "";
  let closed = false;
  const inbox: Frame[] = [];
  const waiting: { matches: (frame: Frame) => boolean; resolve: (frame: Frame) => void }[] = [];
  socket.on("error", () => undefined);
  socket.on("close", () => {
    closed = true;
  });
  socket.on("data", (chunk) => {
    held += chunk.toString("latin1");
    for (;;) {
      const hash = held.indexOf("#");
      const end = hash + 1 + Number(held.slice(0, hash));
      if (hash === -1 || held.length < end) return;
      const text = held.slice(hash + 1, end);
      held = held.slice(end);
      const lineEnd = text.indexOf("\r\n");
      const leader = lineEnd === -1 ? text : text.slice(0, lineEnd);
      const frame = { tokens: leader.split("|"), payload: lineEnd === -1 ? "" : text.slice(lineEnd + 2) };
      const at = waiting.findIndex(({ matches }) => matches(frame));
      if (at === -1) inbox.push(frame);
      else waiting.splice(at, 1)[0]?.resolve(frame);
    }
  });

  const client = {
    socket,
    inbox,
    get closed() {
      return closed;
    },
    write(bytes: string): void {
      socket.write(bytes, "latin1");
    },
    /** Sends a frame: its length, then this. */
    frame(text: string): void {
      client.write(`${text.length}#${text}`);
    },
    next(matches: (frame: Frame) => boolean, limitMs = 5_000): Promise<Frame> {
      const at = inbox.findIndex(matches);
      const [found] = at === -1 ? [] : inbox.splice(at, 1);
      if (found) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new Error(`no such frame; got: ${inbox.map(({ tokens }) => tokens.join("|")).join("\n")}`));
        }, limitMs);
        waiting.push({
          matches,
          resolve(frame) {
            clearTimeout(timer);
            resolve(frame);
          },
        });
      });
    },
    /** The reply to a frame of this id, from the word after the id on. */
    async reply(id: string): Promise<readonly string[]> {
      const { tokens } = await client.next(
        (frame) => frame.tokens[1] === "response" && frame.tokens[2] === id,
      );
      return tokens.slice(3);
    },
    /** The next message for the application, of this method or status. */
    sip(what: string): Promise<Frame> {
      return client.next(
        ({ tokens, payload }) =>
          tokens[1] === "sip" && (payload.startsWith(`${what} `) || payload.startsWith(`SIP/2.0 ${what} `)),
      );
    },
    close(): void {
      socket.destroy();
    },
  };
  return client;
}

export type FrameClient = Awaited<ReturnType<typeof openFrameClient>>;
