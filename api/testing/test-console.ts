import { once } from "node:events";
import { WebSocket } from "ws";
import type { ConsoleMessage, ServerMessage } from "#common/console-events.ts";

type Of<T extends ServerMessage["type"]> = Extract<ServerMessage, { type: T }>;

/** An event socket that remembers what it was sent until a test asks for it. */
export async function openTestConsole(url: string) {
  const socket = new WebSocket(`${url}/v1/events`);
  const inbox: ServerMessage[] = [];
  let wake = Promise.withResolvers<undefined>();
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once("close", (code, reason) => {
      resolve({ code, reason: reason.toString() });
    });
  });
  socket.on("message", (data: Buffer) => {
    inbox.push(JSON.parse(data.toString()) as ServerMessage);
    wake.resolve(undefined);
  });
  socket.on("error", () => undefined);
  await once(socket, "open");
  return {
    socket,
    closed,
    send(message: ConsoleMessage): void {
      socket.send(JSON.stringify(message));
    },
    /** The next message of a kind that the test has not taken yet. Vitest's limit ends a wait in vain. */
    async next<T extends ServerMessage["type"]>(
      type: T,
      matches: (message: Of<T>) => boolean = () => true,
    ): Promise<Of<T>> {
      for (;;) {
        const at = inbox.findIndex((message) => message.type === type && matches(message as Of<T>));
        if (at >= 0) return inbox.splice(at, 1)[0] as Of<T>;
        wake = Promise.withResolvers();
        await wake.promise;
      }
    },
    /** What came and was not taken. */
    rest: (): readonly ServerMessage[] => inbox,
    async end(): Promise<void> {
      socket.terminate();
      await closed;
    },
  };
}
