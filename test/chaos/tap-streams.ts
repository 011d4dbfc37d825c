import { Socket } from "node:net";
import { WebSocket } from "ws";

/** What becomes of the messages that pass. */
export interface Gate {
  /** False when a message that came does not exist for this instance. */
  receives(text: string): boolean;
  /** Carries a message out, unless the call is cut off from its instance before. */
  sends(text: string, leave: () => void): void;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;
const START = /^(?:SIP\/2\.0 \d{3} |[A-Z]{3,9} sips?:\S+ SIP\/2\.0\r\n)/;

/** Puts the gate on every TCP and TLS socket and WebSocket that the process will open. */
export function tapStreams(gate: Gate): void {
  const socket = Socket.prototype as unknown as Record<"write" | "emit", Method>;
  const { write, emit } = socket;
  socket.emit = function (event, ...values) {
    const messages = event === "data" ? messagesIn(values[0]) : undefined;
    if (!messages) return emit.call(this, event, ...values);
    for (const text of messages)
      if (gate.receives(text)) emit.call(this, "data", Buffer.from(text, "latin1"));
    return true;
  };
  socket.write = function (data, ...rest) {
    const text = typeof data === "string" ? data : "";
    if (!START.test(text)) return write.call(this, data, ...rest);
    gate.sends(text, () => write.call(this, data, ...rest));
    return true;
  };
  const web = WebSocket.prototype as unknown as Record<"send" | "emit", Method>;
  const { send, emit: emitWeb } = web;
  web.emit = function (event, ...values) {
    const [data] = values;
    if (event === "message" && Buffer.isBuffer(data) && !gate.receives(data.toString("latin1"))) return true;
    return emitWeb.call(this, event, ...values);
  };
  web.send = function (data, ...rest) {
    const text = Buffer.isBuffer(data) ? data.toString("latin1") : "";
    gate.sends(text, () => {
      send.call(this, data, ...rest);
    });
  };
}

/** The SIP messages that a chunk consists of; undefined when it is anything else, such as a part of one. */
function messagesIn(chunk: unknown): string[] | undefined {
  if (!Buffer.isBuffer(chunk)) return undefined;
  const messages: string[] = [];
  for (let rest = chunk.toString("latin1"); rest !== "";) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0 || !START.test(rest)) return undefined;
    const length = Number(/^(?:content-length|l) *: *(\d+)/im.exec(rest.slice(0, end))?.[1] ?? 0);
    if (rest.length < end + 4 + length) return undefined;
    messages.push(rest.slice(0, end + 4 + length));
    rest = rest.slice(end + 4 + length);
  }
  return messages;
}
